"""What Superset runs with under `make superset`: for one person, on loopback, asking nobody.

Superset reads it by the name in SUPERSET_CONFIG_PATH, in an environment of its own, so that nothing
of this project can be imported here.
"""

import os
from pathlib import Path
from typing import Any

HOME = Path(os.environ["SUPERSET_HOME"])

SECRET_KEY = (HOME / "secret_key").read_text(encoding="utf-8")

SQLALCHEMY_DATABASE_URI = f"sqlite:///{HOME / 'superset.db'}?timeout=30"
"""What Superset itself remembers: dashboards, users. No figure is in it."""

LOG_LEVEL = "WARNING"

# Superset's pages otherwise tell a third party which version was opened: the browser refuses what
# is not from here.
TALISMAN_CONFIG: dict[str, Any] = {
    "content_security_policy": {
        "default-src": ["'self'"],
        "base-uri": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'", "data:"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    # Loopback speaks plain HTTP.
    "session_cookie_secure": False,
}

# Another Superset on this machine keeps its login.
SESSION_COOKIE_NAME = "llm_usage_superset"
