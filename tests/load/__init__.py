"""A load: windows, pages, ledger, audit, and whatever breaks it off."""
