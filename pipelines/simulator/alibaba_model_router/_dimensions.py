"""The rows of the lists of models, departments, API keys and billing rules."""

from typing import Any

from llm_usage_warehouse.simulator.alibaba_model_router._catalogue import (
    API_KEYS,
    BEGINNING,
    CLIENTS,
    KEY_MARKER,
    MODELS,
    Client,
    Rule,
    pricing_config,
)
from llm_usage_warehouse.simulator.alibaba_model_router._traffic import iso

CREATED = {"gmtCreate": iso(BEGINNING), "gmtModified": iso(BEGINNING)}


def model_rows() -> list[dict[str, Any]]:
    """Return the models; only the custom one has an address of its own and no billing rule."""
    return [
        {
            "id": model.id,
            "modelCode": model.code,
            "name": model.name,
            "symbol": model.symbol,
            "modelType": model.kind,
            "tags": "",
            "tagNames": "",
            "description": "",
            "version": 1,
            "maxInputLength": "1000000",
            "maxOutputLength": "32768",
            "hasBillingRule": bool(model.rule),
            "isCustom": not model.rule,
            "baseUrl": "" if model.rule else "https://models.acme.example/v1",
            "apiKeyPreview": "" if model.rule else "sk-***example",
            "deleteTag": 0,
            **CREATED,
        }
        for model in MODELS
    ]


def client_rows() -> list[dict[str, Any]]:
    """Return the departments, with a contact and an address that are somebody's."""
    return [_client_row(client) for client in CLIENTS]


def key_rows() -> list[dict[str, Any]]:
    """Return the API keys, each with the key itself in the clear."""
    return [
        {
            "id": key.id,
            "name": key.name,
            "key": f"{KEY_MARKER}-{key.id}",
            "keyPreview": f"sk-***{key.id}",
            "clientId": key.client.id,
            "client": _client_row(key.client) if key.client.id else None,
            "memberUserId": key.member_id,
            "memberUserName": key.member_name,
            "deleteTag": int(key.deleted),
            **CREATED,
        }
        for key in API_KEYS
    ]


def rule_row(rule: Rule) -> dict[str, Any]:
    """Return one version of a billing rule."""
    return {
        "id": rule.id,
        "modelId": rule.model.id,
        "modelCode": rule.model.code,
        "modelName": rule.model.name,
        "modelType": rule.model.kind,
        "symbol": rule.model.symbol,
        "billingType": rule.model.rule,
        "pricingConfig": pricing_config(rule),
        "effectiveTime": iso(rule.effective),
        "expireTime": None if rule.expire is None else iso(rule.expire),
        "version": rule.version,
        "deleteTag": 0,
        **CREATED,
    }


def _client_row(client: Client) -> dict[str, Any]:
    return {
        "id": client.id,
        "clientUuid": client.uuid,
        "name": client.name,
        "parentId": 1,
        "level": 2,
        "nodeType": "department",
        "discount": client.discount,
        "contact": "13800000000",
        "address": "示例路 1 号",
        "remark": "",
        "deleteTag": 0,
        **CREATED,
    }
