"""A job's access to a list of hosts: what it may ask for, and the relay and the proxy that let it through."""
