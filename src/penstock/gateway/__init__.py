"""The gateway: requests to champion or challenger, by weight, mirrored, counted and logged.

`start_gateway` and `GatewayClient` are all that other rooms need; the process itself is
`penstock.gateway.app`.
"""

from penstock.gateway.client import GatewayClient, start_gateway
from penstock.gateway.options import GatewayOptions

__all__ = ["GatewayClient", "GatewayOptions", "start_gateway"]
