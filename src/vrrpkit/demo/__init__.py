"""Two routers share an address, a client keeps asking it, and the Active router is killed: `python -m vrrpkit.demo`.

As root it uses network namespaces, as an ordinary user a user namespace; where neither is allowed it says so and
plays the same scenario on a LAN in memory. Takes about 12 seconds, needs no configuration, leaves nothing behind.
"""
