"""Alibaba Cloud ModelRouter: its signature, simulator and source, and its rows in the models."""
