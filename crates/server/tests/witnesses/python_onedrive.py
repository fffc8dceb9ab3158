"""python-onedrive's command line, unmodified, told where the drive server is (Python 2.7).

`DRIVE_SERVER=http://127.0.0.1:PORT python_onedrive.py COMMAND ...`
"""

import os

from onedrive import api_v5, cli_tool

HOSTS = [
    "https://apis.live.net",
    "https://login.live.com",
    "https://cid-{user_id}.users.storage.live.com",
]


def point_at(server):
    """The library's URLs are public attributes of its classes."""
    for owner in api_v5.OneDriveAuth, api_v5.OneDriveAPIWrapper:
        for name, value in list(vars(owner).items()):
            for host in HOSTS:
                if isinstance(value, unicode) and value.startswith(host):  # noqa: F821
                    setattr(owner, name, value.replace(host, server.decode("ascii")))


point_at(os.environ["DRIVE_SERVER"])
cli_tool.main()
