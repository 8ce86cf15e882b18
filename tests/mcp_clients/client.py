"""The MCP Python SDK against a protected MCP server, as client.mjs is for the TypeScript SDK.

python client.py http://127.0.0.1:24020/mcp TOOL...: follows the challenge, signs in at the issuer as the pre-registered client
"mcp-client" (issuer.mjs signs in by itself), and calls the tools. Prints every request and its status. Exit status 0: the tools
answered.
"""

import asyncio
import sys
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata

REDIRECT = "http://127.0.0.1:24019/callback"


class Memory(TokenStorage):
    """Knows its client from the start, and no token."""

    tokens = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        print(f"  tokens: scope {tokens.scope}")
        self.tokens = tokens

    async def get_client_info(self):
        return OAuthClientInformationFull(
            client_id="mcp-client", redirect_uris=[REDIRECT], token_endpoint_auth_method="none"
        )

    async def set_client_info(self, info):
        raise AssertionError("the client is registered already")


class Browser:
    """Follows redirects with cookies until the client's own address."""

    back = None

    async def open(self, url):
        print(f"authorization request: {url}")
        async with httpx.AsyncClient(trust_env=False) as client:
            while not url.startswith(REDIRECT):
                response = await client.get(url)
                url = urljoin(url, response.headers["location"])
        self.back = parse_qs(urlsplit(url).query)

    async def answer(self):
        return self.back["code"][0], self.back["state"][0]


async def show(response):
    print(f"> {response.request.method} {response.request.url}\n< {response.status_code}")
    if "www-authenticate" in response.headers:
        print(f"<   www-authenticate: {response.headers['www-authenticate']}")


async def main(url, *tools):
    browser = Browser()
    metadata = OAuthClientMetadata(client_name="lab", redirect_uris=[REDIRECT], token_endpoint_auth_method="none")
    auth = OAuthClientProvider(url, metadata, Memory(), browser.open, browser.answer)
    client = httpx.AsyncClient(auth=auth, trust_env=False, timeout=30, event_hooks={"response": [show]})
    async with client, streamable_http_client(url, http_client=client) as (read, write, _):
        async with ClientSession(read, write) as session:
            await session.initialize()
            for tool in tools:
                result = await session.call_tool(tool, {})
                if result.isError:
                    raise RuntimeError(f"{tool}: {result.content}")
                print(f"TOOL {tool}: {[item.text for item in result.content]}")


asyncio.run(main(*sys.argv[1:]))
