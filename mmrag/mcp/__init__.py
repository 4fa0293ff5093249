"""The knowledge base as an MCP server: other assistants search it, ask it, and read its sources.

tools.py    what an assistant can do, and what it is told of that
shapes.py   what goes in and comes out, as JSON, where the service has none of that form
desk.py     whose turn it is and what they may name: on this machine, or as the service says
local.py    over standard input and output, for a program that starts us
http.py     over streamable HTTP, at /mcp of the service: same keys, limits and metrics
"""
