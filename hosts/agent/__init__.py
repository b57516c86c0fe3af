"""The agent of a host: its machines, driven, with adapters behind their ports and a door for other agents."""
