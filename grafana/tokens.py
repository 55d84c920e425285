"""
Create the InfluxDB tokens of the exporter and of Grafana.

    python -m grafana.tokens --admin-token secrets/influxdb-token --out secrets

The exporter may write and create buckets; Grafana may only read. Each token
is written to a file that only you can read.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.authorization import Authorization
from influxdb_client.domain.permission import Permission
from influxdb_client.domain.permission_resource import PermissionResource
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

# The client has no type hints.
_CLIENT: Any = InfluxDBClient
_AUTHORIZATION: Any = Authorization
_PERMISSION: Any = Permission
_RESOURCE: Any = PermissionResource
# To create a bucket, the exporter looks up the ID of its organisation.
RIGHTS = {"exporter-token": ("read buckets", "write buckets", "read orgs"),
          "grafana-token": ("read buckets",)}


def main(argv: list[str] | None = None) -> int:
    """Create the tokens; return 1 if the server refuses."""
    parser = argparse.ArgumentParser(
        prog="python -m grafana.tokens",
        description="Create a token for the exporter and one for Grafana.")
    parser.add_argument("--url", default="http://localhost:8086")
    parser.add_argument("--org", default="aura")
    parser.add_argument("--admin-token", type=Path, required=True,
                        metavar="FILE", help="file with the first token")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="folder for exporter-token and "
                        "grafana-token; existing files are kept")
    given = parser.parse_args(argv)
    try:
        made = make(given.url, given.org, given.admin_token, given.out)
    except ApiException as error:
        print(f"{given.url} returned status {error.status}. Is --admin-token "
              "the token that InfluxDB was set up with?", file=sys.stderr)
        return 1
    except (HTTPError, OSError, LookupError) as error:
        print(f"cannot create the tokens: {error}", file=sys.stderr)
        return 1
    for path in made:
        print(f"{path}: written")
    return 0


def make(url: str, org: str, admin: Path, out: Path) -> list[Path]:
    """
    Create the tokens whose files do not exist.

    Parameters
    ----------
    url, org : str
        URL and organisation of the server.
    admin : Path
        File with the administrator's token.
    out : Path
        Folder for the token files.

    Returns
    -------
    list of Path
        The written files.
    """
    made = []
    with _CLIENT(url, admin.read_text("utf-8").strip(), org=org) as client:
        for name, rights in RIGHTS.items():
            if (path := out / name).exists():
                continue
            found = client.organizations_api().find_organizations(org=org)
            if not found:
                raise LookupError(f"{url} has no organisation {org}")
            places = {"buckets": _RESOURCE(
                type="buckets", org_id=found[0].id), "orgs": _RESOURCE(
                type="orgs", id=found[0].id)}
            token = client.authorizations_api().create_authorization(
                authorization=_AUTHORIZATION(
                    org_id=found[0].id, description=f"AURA {name}",
                    permissions=[
                        _PERMISSION(action, places[kind]) for action, kind
                        in map(str.split, rights)])).token
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL,
                              0o600), "w", encoding="utf-8") as file:
                file.write(token)
            made.append(path)
    return made


if __name__ == "__main__":
    sys.exit(main())
