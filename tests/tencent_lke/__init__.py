"""Tencent Cloud LKE: its signature, simulator and source."""
