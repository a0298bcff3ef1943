"""The prices that a tenant of ModelRouter has set for itself, for calls without a billing line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.raw_rows import slice_row
from tests.sql_helpers import WITHOUT_TESTS, SqlWarehouse

NO_UNIT_TESTS = WITHOUT_TESTS[2:]
NIGHTS = ("2026-11-20 02:00:00+00", "2026-11-21 02:00:00+00", "2026-11-22 02:00:00+00")
LOOK = "2026-11-01 00:00:00+00"


def tier(low: int, high: int, into: float, out: float, **more: Any) -> dict[str, Any]:
    prices = {"input_price": into, "output_price": out, **more}
    return {"min_tokens": low, "max_tokens": high, **prices}


TIERED = {"tiers": [tier(0, 1000, 2, 8, cached_input_price=0.5), tier(1000, 5000, 3, 9)]}
THINKS = {"tiers": [tier(0, 0, 1, 2, thinking_input_price=1, thinking_output_price=7)]}

# What a rule of the model of that name says; lists price qwen-plus, qwen-max and qwen-turbo, too.
RULES: dict[str, tuple[str, Any]] = {
    "qwen-plus": ("token_tiered", TIERED),
    "thinks": ("token_tiered", THINKS),
    "embeds": ("token_flat", {"input_price": 0.00022, "multimodal_input_price": 0.00022}),
    "qwen-max": ("token_tiered", {"tiers": [tier(0, 0, 2, 8)], "tool_call_prices": {"search": 4}}),
    "gap": ("token_tiered", {"tiers": [tier(0, 1000, 2, 8), tier(2000, 0, 2, 8)]}),
    "thinks dearer": ("token_tiered", {"tiers": [tier(0, 0, 1, 2, thinking_input_price=3)]}),
    "shows": ("token_flat", {"input_price": 1, "multimodal_input_price": 2}),
    "draws": ("per_image", {"price_per_image": 0.2}),
    "speaks": ("per_character", {"price_per_unit": 0.8}),
    "empty": ("token_tiered", {"tiers": []}),
    "no object": ("token_tiered", [1]),
    "no json": ("token_tiered", None),
}

# Model, input, output; cost in yuan, the reason why there is none; from which list it is.
CALLS: dict[str, tuple[str, int, int, str | None, str | None, str | None]] = {
    "first tier": ("qwen-plus", 999, 10, "0.002078", None, "tenant_price"),
    "next tier": ("qwen-plus", 1000, 10, "0.00309", None, "tenant_price"),
    "no tier": ("qwen-plus", 5000, 10, None, "model_not_listed_at_that_time", None),
    "may think": ("thinks", 10, 10, None, "reasoning_tokens_unknown", None),
    "embeds": ("embeds", 1_000_000, 0, "0.00022", None, "tenant_price"),
    "draws": ("draws", 0, 0, "0.4", None, "tenant_price"),
    "other list": ("qwen-turbo", 1_000_000, 0, "0.3", None, "list_estimate"),
    **{
        f"of rule {name}": (name, 10, 0, None, "price_rule_not_understood", None)
        for name in ("qwen-max", "gap", "thinks dearer", "shows", "speaks", "empty", "no object")
    },
    "no json": ("no json", 10, 0, None, "price_rule_not_understood", None),
}


class Tenant(SqlWarehouse):
    """A warehouse of two tenants, of whom only `router` has rules."""

    night = 0

    def list_rules(self, rules: dict[int, dict[str, Any]], *selected: str) -> None:
        """Replace what the list of rules says, and build what that touches, or what is selected."""
        read_at = NIGHTS[self.night]
        self.run("delete from raw_alibaba_model_router.billing_rules")
        for number, rule in rules.items():
            row = {
                **{"source_name": "router", "base_url": "h", "scope": "", "currency": "CNY"},
                **{"id": number, "effective_time": LOOK, "version": 1, "window_end": read_at},
                **{**rule, "pricing_config": json.dumps(rule["pricing_config"])},
                "_dlt_load_id": f"rules {self.night}",
            }
            self.insert("raw_alibaba_model_router.billing_rules", **row)
        self.slice("billing_rules", f"rules {self.night}", read_at, read_at)
        built = self.dbt("build", *WITHOUT_TESTS, *selected, timezone="UTC")
        assert built.ok, built.said
        self.night += 1

    def log(self, number: int, model: str, tokens: tuple[int, int], at: str, source: str) -> None:
        self.insert(
            "raw_alibaba_model_router.observation_logs",
            **{"source_name": source, "base_url": "h", "id": number, "model_code": model},
            **{"request_time": at, "status_code": 200, "status": "success"},
            **{"prompt_tokens": tokens[0], "completion_tokens": tokens[1]},
            **{"total_tokens": sum(tokens), "_dlt_load_id": "logs"},
            usage_image_count=2 if model == "draws" else 0,
        )

    def slice(self, stream: str, load: str, start: str, end: str, source: str = "router") -> None:
        line = slice_row(source, stream, start, end, row_count=1, _dlt_load_id=load)
        self.insert("raw_alibaba_model_router.load_ledger", **line)

    def costs(self) -> list[tuple[Any, ...]]:
        return self.run(
            "select call_id, cost, reason_unpriced, cost_kind, input_price_id from call_costs "
            "order by call_id"
        )


@pytest.fixture
def tenant(tmp_path: Path) -> Iterator[Tenant]:
    tenant = Tenant(tmp_path)
    for source in ("router", "other"):
        tenant.slice("observation_logs", "logs", "2026-11-10", "2026-11-21", source)
    yield tenant


def test_a_tenants_own_prices_come_before_the_list(tenant: Tenant) -> None:
    for number, (model, read, written, *_) in enumerate(CALLS.values()):
        tenant.log(number, model, (read, written), "2026-11-15 12:00:00+00", "router")
    tenant.log(99, "qwen-plus", (1_000_000, 0), "2026-11-15 12:00:00+00", "other")
    tenant.list_rules(
        {
            number: {"model_code": name, "billing_type": kind, "pricing_config": config}
            for number, (name, (kind, config)) in enumerate(RULES.items())
        },
        *("--select", "resource_type:snapshot"),
    )
    tenant.run(
        "update snapshots.alibaba_model_router_billing_rules set pricing_config = 'no json' "
        "where model_code = 'no json'"
    )
    built = tenant.dbt(
        *("build", "--full-refresh", "--exclude-resource-type", "snapshot", *NO_UNIT_TESTS),
        timezone="UTC",
    )
    assert built.ok, built.said
    found = {call_id: row for call_id, *row in tenant.costs()}
    assert {
        name: (str(cost.normalize()) if cost is not None else None, *told)
        for number, name in enumerate(CALLS)
        for cost, *told, _ in [found[f"router:h:{number}"]]
    } == {name: tuple(expected) for name, (_, _, _, *expected) in CALLS.items()}
    assert found["router:h:0"][3].startswith("tenant:router:alibaba:cn:qwen-plus:input:")
    assert found["other:h:99"][3].startswith("list:alibaba:cn:qwen-plus:input:")


@pytest.mark.slow
def test_a_changed_rule_reaches_the_days_from_its_start_on_and_no_other(tenant: Tenant) -> None:
    for day in (12, 14, 16, 20):
        tenant.log(day, "qwen-plus", (1_000_000, 0), f"2026-11-{day} 12:00:00+00", "router")
    tenant.log(11, "new", (1_000_000, 0), "2026-11-11 12:00:00+00", "router")
    rule: dict[str, Any] = {"model_code": "qwen-plus", "billing_type": "token_tiered"}
    rules = {1: {**rule, "pricing_config": {"tiers": [tier(0, 0, 2, 8)]}}}
    tenant.list_rules(rules)
    assert [cost for _, cost, *_ in tenant.costs()] == [None, 2, 2, 2, 2]
    rules[1] = {**rule, "pricing_config": {"tiers": [tier(0, 0, 5, 8)]}}
    rules[2] = {
        **{**rule, "version": 2, "pricing_config": {"tiers": [tier(0, 0, 3, 8)]}},
        **{"effective_time": "2026-11-14 00:00:00+00", "expire_time": "2026-11-15 00:00:00+00"},
    }
    rules[3] = {**rules[2], "model_code": "new"}
    tenant.run("update call_costs set model = 'not touched' where call_id = 'router:h:12'")
    tenant.list_rules(rules)
    assert [cost for _, cost, *_ in tenant.costs()] == [None, 2, 3, 2, 2]
    assert tenant.run("select model from call_costs where call_id = 'router:h:12'") == [
        ("not touched",)
    ]
    tenant.list_rules({**rules, 1: {**rules[1], "delete_tag": 1}})
    before = tenant.costs()
    rebuilt = tenant.dbt("build", "--full-refresh", *WITHOUT_TESTS, timezone="UTC")
    assert rebuilt.ok, rebuilt.said
    assert tenant.costs() == before
