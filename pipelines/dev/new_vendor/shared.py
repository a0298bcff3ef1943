"""What is written of a new vendor into the files that all vendors share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """Text that belongs into a file.

    Attributes:
        path: of the file, from the project's root.
        text: whole lines, of a vendor called acme.
        before: the text that it goes before; at the file's end where it is empty.
    """

    path: str
    text: str
    before: str = ""

    def put_into(self, page: str) -> str:
        """Return the page with the lines in it, once.

        Raises:
            ValueError: the page does not have the text that they go before.
        """
        if self.text.strip() in page:
            return page
        if not self.before:
            return page + self.text
        if self.before not in page:
            raise ValueError(f"{self.path} has no {self.before.strip().splitlines()[0]!r}")
        return page.replace(self.before, self.text + self.before, 1)


LINES = (
    Line("sql/macros/vendors.sql", "        'acme': ['calls'],\n", before="    }) }}\n"),
    Line("sql/seeds/source_roles.csv", "acme,,vendor,calls,true,,\n"),
    Line("sql/seeds/charge_parties.csv", ",acme,Acme API,Acme,Acme,Acme,Acme,unassigned\n"),
    Line("sql/seeds/price_providers.csv", "acme,acme,acme,global\n"),
    Line(
        ".dlt/config.toml",
        "[sources.acme]\n"
        "# Without it and the api_key this source is left out.\n"
        '# base_url = "https://api.acme.example/v1"\n\n',
        before=f"# {'-' * 93}\n# dlt itself.\n",
    ),
    Line(
        ".dlt/secrets.toml.example",
        '[sources.acme]\n# api_key = "a key that may read usage"\n\n',
        before="[notify]\n",
    ),
    Line(
        "README.md",
        "| [Acme](pipelines/sources/acme/README.md) | `[sources.acme]` | GET /calls "
        "| one per call |\n",
        before="\nA second instance of a vendor gets a section of its own",
    ),
)
