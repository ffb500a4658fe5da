"""The store of bytes by digest, in DVC 3's cache layout, with DVC's remotes.

`Store` hashes, saves and restores files and directories; `HashIndex` remembers what was hashed;
`DvcConfig` reads `.dvc/config`; `Remote` moves objects to and from shared storage.
"""

from penstock.artifacts.dvcconfig import DvcConfig, RemoteSettings
from penstock.artifacts.dvcfile import DvcFile, dump_dvc_file, load_dvc_file
from penstock.artifacts.index import HashIndex
from penstock.artifacts.remote import Remote
from penstock.artifacts.store import Store

__all__ = [
    "DvcConfig",
    "DvcFile",
    "HashIndex",
    "Remote",
    "RemoteSettings",
    "Store",
    "dump_dvc_file",
    "load_dvc_file",
]
