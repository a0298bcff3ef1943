"""Acme: the calls that its usage API lists."""

from llm_usage_warehouse.dlt_sources import dlt_source
from llm_usage_warehouse.sources.acme.reader import AcmeReader, AcmeSettings
from llm_usage_warehouse.sources.acme.schema import TABLES
from llm_usage_warehouse.streams import Connector

CONNECTOR = Connector("acme", AcmeSettings, AcmeReader, TABLES)
acme = dlt_source(CONNECTOR)
