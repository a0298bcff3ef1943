"""Begins a new vendor: `make new-vendor NAME=acme`.

`files/` is a vendor called acme that works as it stands, at the places where its files belong.
`scaffold` copies it under the new name and writes the vendor into the files that all vendors share.
"""
