"""`mmrag mcp` as another assistant uses it: by the official SDK's client, over real pipes and sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from io import BytesIO

import apsw
import pytest
from PIL import Image

from mmrag.assemble import build_engine
from mmrag.cli import main
from mmrag.config import Settings
from tests.mcp.conftest import EXAMPLES, ROOT, TEXTS
from tests.retrieval.memory_feed import HashEmbedder

CHART = base64.b64encode((EXAMPLES / "attachments" / "tickets-per-month.png").read_bytes()).decode()
AUGUST = "How many support tickets came in in August?"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "a test", "version": "1"},
    },
}


def texts(result):
    return "\n".join(block.text for block in result.content if block.type == "text")


def links(result):
    return [str(block.uri) for block in result.content if block.type == "resource_link"]


def titles(result):
    return {document["title"] for document in result.structured_content["documents"]}


@pytest.mark.parametrize("way", ["local", "remote"])
def test_an_assistant_asks_searches_lists_and_reads(way, request):
    connect = request.getfixturevalue(way)

    async def use():
        async with connect("team") as client:
            await texts_are_found(client)

    asyncio.run(use())


async def texts_are_found(client):
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert tools.keys() == {"ask", "search", "read_source", "list_documents"}
    assert all(tool.annotations.read_only_hint and tool.output_schema for tool in tools.values())

    answer = await client.call_tool("ask", {"question": "How often is the gateway renewed?"})
    assert not answer.is_error
    assert "every 14 days" in answer.structured_content["text"]
    (citation,) = answer.structured_content["citations"]
    assert citation["quote"] == TEXTS[0][1]
    assert "Sources:\n[1] gateway.txt, page 1" in texts(answer)

    (link,) = links(answer)
    page = await client.read_resource(link)
    assert page.contents[0].text == TEXTS[0][1]

    found = await client.call_tool("search", {"query": "gateway", "k": 1})
    assert [hit["text"] for hit in found.structured_content["hits"]] == [TEXTS[0][1]]

    listed = await client.call_tool("list_documents", {})
    assert titles(listed) == {"gateway.txt", "leave.txt"}

    source = await client.call_tool("read_source", {"document_id": citation["document_id"]})
    assert source.structured_content["text"] == TEXTS[0][1]

    thread = [{"role": "user", "text": "How often is the gateway renewed?"}]
    found = await client.call_tool("search", {"query": "And why?", "history": thread})
    assert found.structured_content["hits"][0]["title"] == "gateway.txt"


def test_a_picture_goes_in_and_what_it_shows_comes_out(remote):
    async def use():
        async with remote("team") as client:
            chart = {"name": "tickets.png", "data": f"data:image/png;base64,{CHART}"}
            question = "How many support tickets came in in August, please?"
            asked = {"question": question, "attachments": [chart]}
            stages = []

            async def told(_progress, _total, message):
                stages.append(message)

            answer = await client.call_tool("ask", asked, progress_callback=told)
            assert "547" in answer.structured_content["text"]
            assert answer.structured_content["citations"][0]["origin"] == "attachment"
            assert stages[0] == "reading"
            broken = {"name": "broken.png", "data": base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()}
            answer = await client.call_tool("ask", asked | {"attachments": [broken]})
            assert answer.structured_content["unread"][0]["name"] == "broken.png"
            assert "Not used: broken.png" in texts(answer)
            refused = await client.call_tool("ask", asked | {"attachments": [chart | {"data": "%%"}]})
            assert refused.is_error
            assert "base64" in texts(refused)

    asyncio.run(use())


def test_a_page_is_read_with_its_pictures(remote):
    async def use():
        async with remote("some") as client:
            listed = await client.call_tool("list_documents", {"collections": ["charts"]})
            (document,) = listed.structured_content["documents"]
            page = await client.call_tool("read_source", {"document_id": document["document_id"]})
            (image,) = [block for block in page.content if block.type == "image"]
            assert base64.b64decode(image.data).startswith(b"\x89PNG")
            (name,) = {part["image"] for part in page.structured_content["parts"]}
            figure = await client.read_resource(f"mmrag://figures/{name}")
            assert figure.contents[0].blob == image.data
            assert figure.contents[0].mime_type == image.mime_type == "image/png"

    asyncio.run(use())


def test_links_and_pictures_say_whether_they_are_png_or_jpeg(home, reader, tmp_path):
    from mcp import Client  # noqa: PLC0415 - needs the extra

    from mmrag.mcp.desk import LocalDesk  # noqa: PLC0415 - as above
    from mmrag.mcp.tools import build_server  # noqa: PLC0415 - as above

    own = shutil.copytree(home, tmp_path / "home")
    jpeg = BytesIO()
    Image.new("RGB", (64, 48), "navy").save(jpeg, "JPEG")
    with closing(apsw.Connection(str(own / "store.sqlite3"))) as db:
        db.execute("UPDATE figures SET image = ?", (jpeg.getvalue(),))

    async def use(engine):
        async with Client(build_server(LocalDesk(engine, ["charts"]))) as client:
            answer = await client.call_tool("ask", {"question": AUGUST})
            pictures = [block for block in answer.content if "figures" in str(getattr(block, "uri", ""))]
            assert [link.mime_type for link in pictures] == ["image/jpeg"]
            (read,) = (await client.read_resource(pictures[0].uri)).contents
            assert (read.mime_type, base64.b64decode(read.blob)) == ("image/jpeg", jpeg.getvalue())

    with build_engine(Settings(home=own), embedder=HashEmbedder(), reader=reader) as engine:
        asyncio.run(use(engine))


@pytest.mark.parametrize(
    ("name", "seen"), [("team", {"team"}), ("all", {"team", "board", "charts"}), ("some", {"team", "charts"})]
)
def test_a_key_opens_its_collections_and_no_other(name, seen, remote):
    async def use():
        async with remote("all") as client:
            everything = (await client.call_tool("list_documents", {})).structured_content["documents"]
            figures = [f"mmrag://figures/figure-{number}" for number in range(1, 4)]
        async with remote(name) as client:
            listed = await client.call_tool("list_documents", {})
            assert {row["collection"] for row in listed.structured_content["documents"]} == seen
            for row in everything:
                allowed = row["collection"] in seen
                page = await client.call_tool("read_source", {"document_id": row["document_id"]})
                assert page.is_error is not allowed
                uri = f"mmrag://documents/{row['document_id']}/pages/1"
                assert await readable(client, uri) is allowed
            for collection in ("team", "board", "charts", "nowhere"):
                named = {"collections": [collection]}
                allowed = collection in seen or name == "all"
                for tool, asked in (
                    ("ask", {"question": "secret lighthouse"}),
                    ("search", {"query": "secret lighthouse"}),
                    ("list_documents", {}),
                ):
                    result = await client.call_tool(tool, asked | named)
                    assert result.is_error is not allowed, (tool, collection)
            found = await client.call_tool("search", {"query": "secret lighthouse", "k": 100})
            assert ("lighthouse" in texts(found)) is ("board" in seen)
            assert any([await readable(client, figure) for figure in figures]) is ("charts" in seen)

    asyncio.run(use())


async def readable(client, uri):
    from mcp import MCPError  # noqa: PLC0415 - needs the extra

    try:
        await client.read_resource(uri)
    except MCPError:
        return False
    return True


def post(url, *, key=None, body=INITIALIZE, **headers):
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{url}/mcp", json.dumps(body).encode(), {"Content-Type": "application/json"} | headers
    )
    request.add_header("Accept", "application/json, text/event-stream")
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_without_a_known_key_nobody_comes_in(served):
    url, keys = served
    assert post(url, key=keys["team"]) == 200
    assert post(url) == 401
    assert post(url, key=keys["team"][:-1]) == 401
    assert post(url, key="mmrag_0123456789ab_" + "x" * 43) == 401


def test_standard_output_carries_the_protocol_and_nothing_else(home, command):
    requests = [
        INITIALIZE,
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {
                "name": "ask",
                "arguments": {"question": AUGUST, "attachments": [{"name": "c.png", "data": CHART}]},
            },
        },
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "ask", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 4, "method": "no/such"},
    ]
    environment = {"MMRAG_HOME": str(home), "MMRAG_LOG_LEVEL": "DEBUG", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*command, "--collection", "team"],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for request in requests:
        process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    lines = []
    while len([line for line in lines if "id" in line]) < 4:
        lines.append(json.loads(process.stdout.readline()))
    rest, logged = process.communicate(timeout=60)
    assert rest == ""
    assert process.returncode == 0
    assert all(line["jsonrpc"] == "2.0" for line in lines)
    assert {line["id"] for line in lines if "id" in line} == {1, 2, 3, 4}
    assert "error" in next(line for line in lines if line.get("id") == 4)
    answered = next(line for line in lines if line.get("id") == 2)
    assert "547" in answered["result"]["structuredContent"]["text"]
    assert AUGUST not in logged


def test_over_standard_input_nothing_of_the_extra_serve_is_needed():
    lacking = "import sys; sys.modules.update(fastapi=None, jinja2=None, prometheus_client=None)"
    subprocess.run([sys.executable, "-c", f"{lacking}; import mmrag.mcp.local"], cwd=ROOT, check=True)


def test_options_that_do_not_go_together_are_refused(capsys):
    assert main(["mcp", "--port", "1"]) == 2
    assert "--http" in capsys.readouterr().err
    assert main(["mcp", "--http", "--collection", "team"]) == 2
    assert "key" in capsys.readouterr().err
