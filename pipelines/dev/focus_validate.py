"""Holds a file of `llm-usage focus` against the official validator: `make focus-validate`.

`python focus_validate.py FILE`, run as a file, in an environment of its own: the validator needs
another Python and another pyarrow than the project, of which this imports nothing. The validator's
own command ends with 0 whatever it finds, so its Python API is asked.
"""

import logging
import os
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import focus_validator
from focus_validator.validator import Validator

SUPPORTED = (
    "USAGE_MEASUREMENT_SUPPORTED",
    "UNIT_PRICING_SUPPORTED",
    "PUBLIC_PRICE_LIST_SUPPORTED",
    "TAGGING_SUPPORTED",
    "SUB_ACCOUNT_SUPPORTED",
    "ACCOUNT_NAMING_SUPPORTED",
)
"""What the file claims to support, which brings in the rules that depend on it."""

CONTRADICTING = "InvoiceId-C-005-C"
"""That InvoiceId must not be null, whether there is an invoice or not. InvoiceId-C-004-C says as
flatly that it must be, so that no file can meet both."""


def main(path: str) -> int:
    """Print how many rules a file meets and each that it does not; return an exit code."""
    logging.disable(logging.CRITICAL)
    with redirect_stdout(StringIO()):
        found = _validate(path)
    skipped = {rule for rule, entry in found.items() if (entry.get("details") or {}).get("skipped")}
    failed = {rule for rule, entry in found.items() if not entry["ok"]} - skipped
    print(  # noqa: T201 - its only output
        f"{path}: {len(found) - len(failed) - len(skipped)} rules pass, {len(failed)} fail, "
        f"{len(skipped)} cannot be checked by a machine; FOCUS 1.2, focus-validator 2.2.1"
    )
    for rule in sorted(failed):
        why = (found[rule].get("details") or {}).get("message", "")
        told = "contradicts another, tolerated" if rule == CONTRADICTING else "FAILS"
        print(f"  {rule}: {told}: {why}")  # noqa: T201
    return 1 if failed - {CONTRADICTING} else 0


def _validate(path: str) -> dict[str, dict[str, Any]]:
    file = str(Path(path).resolve())
    # It looks for its list of currencies from the folder that it is installed in.
    os.chdir(Path(focus_validator.__file__).parents[1])
    validator = Validator(
        data_filename=file,
        output_destination=None,
        output_type="console",
        rules_version="1.2",
        focus_dataset="CostAndUsage",
        rules_block_remote_download=True,
        applicability_criteria=",".join(SUPPORTED),
    )
    results: dict[str, dict[str, Any]] = validator.validate().by_rule_id
    return results


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
