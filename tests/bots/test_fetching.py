"""Links are fetched: from a site on this machine, which an admin would have to allow."""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc
import zlib

import pytest

from bots.addresses import Reach
from bots.fetching import Fetcher
from mmrag import __version__
from mmrag.errors import NotReadable, UserFacingError
from tests.bots.site import Names, Site, moved, page, reply

HERE = Reach.parse("127.0.0.1/32")
HANDBOOK = page("Handbook", "Everybody has 28 days of leave.")
SIGN_IN = page(
    "Welcome", "Your name and password, please.", more='<form><input name=p type="password"></form>'
)


def fetched(pages, link, *, reach=HERE, most_bytes=100_000, port=0, **options):
    """What comes of a link at a site with these pages: the source, or the sentence that says why not."""

    async def run():
        async with Site(pages, port=port) as site:
            fetcher = Fetcher(reach, most_bytes=most_bytes, **options)
            try:
                (source,) = await fetcher.fetch(link if "://" in link else site.url + link)
            except UserFacingError as error:
                return site, str(error)
            return site, source

    return asyncio.run(run())


def test_a_page_is_known_by_its_address_and_comes_byte_for_byte():
    site, source = fetched({"/handbook?page=2": reply(HANDBOOK)}, "/handbook?page=2#leave")
    assert source.uri == f"{site.url}/handbook?page=2"
    assert (source.name, source.data, source.title) == ("handbook.html", HANDBOOK, None)


def test_who_sent_the_link_on_and_who_may_open_it_for_a_while_are_no_part_of_the_address():
    query = f"utm_source=mail&id=7&fbclid=x&X-Amz-Signature=secret&ex=66a0b1c2&is=669f6042&hm={'ab' * 32}"
    site, source = fetched({f"/plan?{query}": reply(HANDBOOK)}, f"/plan?{query}")
    assert source.uri == f"{site.url}/plan?id=7"


def test_the_same_link_has_one_address_however_it_is_written():
    site, first = fetched({"/": reply(HANDBOOK)}, "")
    _, second = fetched({"/": reply(HANDBOOK)}, site.url.upper() + "/a/..#b", port=site.port)
    assert first.uri == second.uri == f"{site.url}/"


@pytest.mark.parametrize(
    ("path", "headers", "name"),
    [
        ("/files/plan.pdf", {"kind": "application/pdf"}, "plan.pdf"),
        ("/files/7", {"kind": "application/pdf"}, "7.pdf"),
        ("/files/7", {"Content_Disposition": 'attachment; filename="../../Plan B.md"'}, "Plan B.md.html"),
        ("/notes", {"kind": "text/plain"}, "notes.txt"),
        ("/data.csv", {"kind": "text/csv; charset=utf-8"}, "data.csv"),
        ("/show.php", {}, "show.php.html"),
        ("/%E9%A1%B5%E9%9D%A2/", {}, "页面.html"),
        ("/thing", {"kind": None}, "thing"),
        ("/", {}, "127.0.0.1.html"),
    ],
)
def test_a_file_is_called_as_its_site_calls_it(path, headers, name):
    _, source = fetched({path: reply(b"words", **headers)}, path)
    assert source.name == name


def test_a_page_that_has_moved_goes_by_its_new_address_one_that_is_elsewhere_for_now_by_its_own():
    pages = {
        "/old": moved("/new", 301),
        "/new": moved("/storage/7?token=1", 302),
        "/storage/7?token=1": moved("/storage/8", 308),
        "/storage/8": reply(HANDBOOK),
    }
    site, source = fetched(pages, "/old")
    assert source.uri == f"{site.url}/new"
    assert source.data == HANDBOOK


def test_nothing_of_ours_goes_along_but_who_we_are(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    pages = {"/a": reply(status=302, kind=None, Location="/b", Set_Cookie="who=ana"), "/b": reply(HANDBOOK)}
    site, _ = fetched(pages, "/a")
    assert [path for path, _ in site.asked] == ["/a", "/b"]
    for _, headers in site.asked:
        assert headers.keys() == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}
        assert headers["User-Agent"].startswith(f"mmrag/{__version__} ")


def test_a_page_whose_encoding_only_the_header_tells_is_read_as_it_is_shown():
    text = "<html><body>商品签收后十五天内可以退货。</body></html>"
    _, source = fetched({"/": reply(text.encode("gb2312"), kind="text/html; charset=GB2312")}, "/")
    assert source.data.decode() == text
    _, source = fetched({"/": reply(text.encode(), kind="text/html; charset=iso-8859-1")}, "/")
    assert source.data.decode() == text
    pdf = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    _, source = fetched({"/": reply(pdf, kind="text/plain; charset=iso-8859-1")}, "/")
    assert source.data == pdf


def test_a_page_that_is_sent_packed_is_unpacked():
    packed = reply(gzip.compress(HANDBOOK), Content_Encoding="gzip")
    _, source = fetched({"/": packed}, "/")
    assert source.data == HANDBOOK


def test_a_site_that_breaks_once_is_asked_again():
    async def breaks(writer):
        writer.write(reply(HANDBOOK)[:-20])
        await writer.drain()

    away = reply(status=503)
    _, source = fetched({"/": [breaks, away, reply(HANDBOOK)]}, "/", waits=(0.01, 0.01))
    assert source.data == HANDBOOK
    _, told = fetched({"/": away}, "/", waits=(0.01,))
    assert told == "Its site is out of order (it answers 503): try it later."


# ------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (reply(status=404), "There is no such page (its site answers 404): check the link."),
        (reply(status=401), "It asks for a sign-in, and I open links as nobody"),
        (reply(status=403), "It asks for a sign-in, and I open links as nobody"),
        (reply(SIGN_IN), "It asks for a sign-in, and I open links as nobody"),
        (moved("/auth/login?next=/x"), "It asks for a sign-in, and I open links as nobody"),
        (moved("https://accounts.example/v3"), "There is no site of this name"),
        (moved("/page"), "It leads from one address to the next without an end"),
        (moved("file:///etc/passwd"), "Only links that begin with http:// or https:// are opened"),
        (moved("http://ana:secret@127.0.0.1/"), "There is a name or a password in the link"),
        (moved("http://["), "This is not an address of the web"),
        (reply(b"x" * 100_001), "It has 100,001 bytes and at most 100,000 are read"),
        (reply(status=429), "Its site answers nobody for now (429)"),
        (reply(status=503, Retry_After="60"), "Its site answers nobody for now (503)"),
        (reply(status=418), "Its site does not give it out (it answers 418)"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "Its site answers, but not as the web does"),
        (reply(b"no", Content_Encoding="gzip"), "The connection to its site broke"),
    ],
)
def test_why_a_page_is_not_to_be_had_is_said_in_one_sentence(answer, sentence):
    _, told = fetched({"/page": answer, "/auth/login?next=/x": reply(SIGN_IN)}, "/page", waits=())
    assert told.startswith(sentence)


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        ("ftp://site.example/x", "Only links that begin with http:// or https:// are opened"),
        ("https://ana@site.example/", "There is a name or a password in the link"),
        ("https:///x", "This link names no site"),
        ("https://site.example:99999/", "This is not an address of the web"),
        ("https://nowhere.invalid/", "There is no site of this name"),
        (f"https://site.example/{'x' * 4_000}", "The link is too long"),
    ],
)
def test_what_is_no_link_is_said_without_asking_anybody(link, sentence):
    names = Names({})
    _, told = fetched({}, link, resolver=names)
    assert told.startswith(sentence)
    assert set(names.asked) <= {"nowhere.invalid"}


def test_a_page_about_signing_in_and_a_page_with_a_field_for_it_are_pages():
    pages = {"/docs/login": moved("/docs/login/", 302), "/docs/login/": reply(HANDBOOK)}
    _, source = fetched(pages, "/docs/login")
    assert source.data == HANDBOOK
    article = page("News", "Much is said here. " * 100, more='<input type="password">')
    _, source = fetched({"/": reply(article)}, "/")
    assert source.data == article


@pytest.mark.parametrize(
    "link",
    [
        *(
            "http://127.0.0.1:{}/",
            "http://localhost:{}/",
            "http://[::1]:{}/",
            "http://[::ffff:127.0.0.1]:{}/",
        ),
        *("http://127.1:{}/", "http://2130706433:{}/", "http://0x7f000001:{}/", "http://0177.0.0.1:{}/"),
        *(
            "http://0.0.0.0:{}/",
            "http://[::]:{}/",
            "http://127.0.0.1.:{}/",
            "http://169.254.169.254:{}/latest",
        ),
        *("http://[64:ff9b::7f00:1]:{}/", "http://[2002:7f00:1::]:{}/", "http://１２７.0.0.1:{}/"),
    ],
)
def test_nothing_on_this_machine_or_beside_it_is_reached_however_it_is_spelled(link):
    async def run():
        async with Site({"/": reply(HANDBOOK)}) as site:
            with pytest.raises(UserFacingError) as told:
                await Fetcher(most_bytes=100_000, waits=()).fetch(link.format(site.port))
            return site, str(told.value)

    site, told = asyncio.run(run())
    assert site.asked == []
    assert told.startswith(
        ("Its address is not one of the public web's", "This is not an address of the web")
    )


def test_a_redirect_to_what_is_not_reached_goes_nowhere():
    async def run():
        async with Site({"/": reply(HANDBOOK)}, host="127.0.0.2") as inside:
            async with Site({"/": moved(f"http://127.0.0.2:{inside.port}/", 301)}) as site:
                with pytest.raises(NotReadable, match="not one of the public web's"):
                    await Fetcher(HERE, most_bytes=100_000).fetch(site.url)
            return inside

    assert asyncio.run(run()).asked == []


def test_a_name_that_says_another_address_the_second_time_leads_nowhere_else():
    async def run():
        names = Names({"wiki.example": [["127.0.0.1"], ["127.0.0.2"]]})
        async with (
            Site({"/": moved("/again"), "/again": reply(HANDBOOK)}) as site,
            Site({"/again": reply(HANDBOOK)}, host="127.0.0.2", port=site.port) as inside,
        ):
            fetcher = Fetcher(HERE, most_bytes=100_000, resolver=names)
            with pytest.raises(NotReadable, match="not one of the public web's"):
                await fetcher.fetch(f"http://wiki.example:{site.port}/")
        return names, site, inside

    names, site, inside = asyncio.run(run())
    assert names.asked == ["wiki.example"] * 2  # once for each request: what was looked up is connected to
    assert [path for path, _ in site.asked] == ["/"]
    assert inside.asked == []


def test_of_several_addresses_of_a_name_those_that_may_be_reached_are():
    names = Names({"wiki.example": ["127.0.0.2", "127.0.0.1"]})

    async def run():
        async with (
            Site({"/": reply(HANDBOOK)}) as site,
            Site({"/": reply(b"inside")}, host="127.0.0.2", port=site.port) as inside,
        ):
            fetcher = Fetcher(HERE, most_bytes=100_000, resolver=names)
            (source,) = await fetcher.fetch(f"http://wiki.example:{site.port}/")
            return source, inside

    source, inside = asyncio.run(run())
    assert source.data == HANDBOOK
    assert inside.asked == []


@pytest.mark.parametrize(
    ("reach", "reached"), [("wiki.example", True), ("*.example", True), ("other.example", False), ("", False)]
)
def test_a_host_that_an_admin_names_is_reached_inside(reach, reached):
    async def run():
        async with Site({"/": reply(HANDBOOK)}) as site:
            names = Names({"wiki.example": ["127.0.0.1"]})
            fetcher = Fetcher(Reach.parse(reach), most_bytes=100_000, resolver=names)
            link = f"http://wiki.example:{site.port}/"
            if reached:
                assert [source.uri for source in await fetcher.fetch(link)] == [link]
            else:
                with pytest.raises(NotReadable, match="not one of the public web's"):
                    await fetcher.fetch(link)
            assert len(site.asked) == reached

    asyncio.run(run())


# ------------------------------------------------------------------- what is bounded


def test_a_page_that_drips_for_ever_is_given_up_after_the_whole_time():
    async def drips(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    began = time.monotonic()
    _, told = fetched({"/": drips}, "/", whole_seconds=0.3, idle_seconds=0.2)
    assert told.startswith("It did not arrive within 0.3 seconds")
    assert time.monotonic() - began < 2


def test_a_site_that_falls_silent_is_given_up_at_once():
    async def falls_silent(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>")
        await asyncio.Event().wait()

    _, told = fetched({"/": falls_silent}, "/", whole_seconds=30, idle_seconds=0.1)
    assert told.startswith("Its site does not answer")


def test_a_small_file_that_unpacks_to_a_huge_one_is_given_up_before_it_is_unpacked():
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    tracemalloc.start()
    try:
        _, told = fetched({"/": reply(bomb, Content_Encoding="gzip")}, "/", most_bytes=1_000_000)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert told == "It has more than 1,000,000 bytes: send it in parts."
    assert most < 8_000_000  # of 64 MB


def test_a_body_without_an_end_is_given_up_at_the_most_that_is_read():
    async def pours(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await writer.drain()

    _, told = fetched({"/": pours}, "/")
    assert told == "It has more than 100,000 bytes: send it in parts."
