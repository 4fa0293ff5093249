"""What is installed, what was chosen and why, and what to do about each fault."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Literal

from mmrag.config import source_of
from mmrag.errors import GenerationFailed, UserFacingError
from mmrag.home import STORE
from mmrag.types import Chunk, Hit, Prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from PIL import Image

    from mmrag.config import Settings

State = Literal["ok", "note", "fault"]
INSTALL = "run  pip install 'mmrag[cpu]'"
GIGABYTE = 1e9
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one part, and for a fault what to do about it."""

    part: str
    state: State
    says: str
    remedy: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at every part; a part that breaks while it is looked at is a fault, not a crash."""
    parts: dict[str, Callable[[Settings], Iterator[Finding]]] = {
        "python": _python,
        "libraries": _libraries,
        "data folder": _data_folder,
        "embedder": _embedder,
        "search": _search,
        "reranker": _reranker,
        "reading": _reading,
        "pictures": _pictures,
        "chart model": _chart_model,
        "generator": _generator,
        "device": _device,
        "pages": _pages,
        "service": _service,
    }
    return [finding for part, look in parts.items() for finding in _looked_at(part, look, settings)]


def _looked_at(part: str, look: Callable[[Settings], Iterator[Finding]], settings: Settings) -> list[Finding]:
    try:
        return list(look(settings))
    except UserFacingError as error:
        return [Finding(part, "fault", str(error))]
    except ModuleNotFoundError as missing:
        return [Finding(part, "fault", f"{missing.name} is not installed", INSTALL)]
    except Exception as error:  # noqa: BLE001 - the doctor reports whatever is broken
        return [Finding(part, "fault", f"does not work ({type(error).__name__}: {error})", INSTALL)]


def _python(_: Settings) -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.machine()}, {sys.executable}")


FAISS_WHEELS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs")
LIBRARIES = (
    *("torch", "transformers", "sentence-transformers", "openvino"),
    *("tantivy", "apsw", "rapidocr", "pypdfium2"),
)


def _libraries(_: Settings) -> Iterator[Finding]:
    missing = [name for name in LIBRARIES if _version(name) is None]
    if missing:
        yield Finding("libraries", "fault", f"missing: {', '.join(missing)}", INSTALL)
        return
    yield Finding("libraries", "ok", ", ".join(f"{name} {_version(name)}" for name in LIBRARIES))
    if fault := too_many_faiss([name for name in FAISS_WHEELS if _version(name)]):
        yield fault


def too_many_faiss(installed: Sequence[str]) -> Finding | None:
    """What is wrong where more than one of the `FAISS_WHEELS` is installed."""
    if len(installed) < 2:  # noqa: PLR2004 - one is right; none is another finding
        return None
    return Finding(
        "libraries",
        "fault",
        f"{' and '.join(installed)} are installed together and overwrite each other",
        f"run  pip uninstall {' '.join(installed)}  then install one of the extras cpu, gpu and gpu-cuvs",
    )


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _data_folder(settings: Settings) -> Iterator[Finding]:
    from mmrag.storage.catalog import SqliteStore  # noqa: PLC0415 - needs an extra; its lack is a finding

    store = SqliteStore(settings.home / STORE)
    try:
        documents = store.documents(None)
    finally:
        store.close()
    collections = {document.collection for document in documents}
    size = sum(file.stat().st_size for file in settings.home.rglob("*") if file.is_file())
    yield Finding(
        "data folder",
        "ok",
        f"{settings.home} holds {len(documents):,} documents in {len(collections):,} collections, "
        f"{size / GIGABYTE:.2f} GB",
    )


def _embedder(settings: Settings) -> Iterator[Finding]:
    from mmrag.assemble import build_embedder  # noqa: PLC0415 - needs an extra; its lack is a finding

    embedder = build_embedder(settings)
    embedder.embed_queries(["a first question"])
    languages = "reads Chinese, too" if embedder.reads_chinese else "no vote on Chinese"
    length = f"{embedder.max_tokens:,} tokens" if embedder.max_tokens else "texts of any length"
    yield Finding(
        "embedder",
        "ok",
        f"{embedder.name}, {embedder.dimension} dimensions, {length}, {languages}; "
        f"{embedder.runtime_reason}; {settings.threads} threads",
    )


def _search(settings: Settings) -> Iterator[Finding]:
    import faiss  # noqa: PLC0415 - as above

    from mmrag.retrieval import device  # noqa: PLC0415 - as above

    reason = device.choose(settings.faiss_device).reason
    yield Finding("search", "ok", f"BM25 by Tantivy and vectors by FAISS {faiss.__version__}: {reason}")
    yield from _collections(settings)


SHOWN_COLLECTIONS = 5


def _collections(settings: Settings) -> Iterator[Finding]:
    """How the largest collections are searched; and what is still to be done for any of them."""
    from mmrag.assemble import build_embedder  # noqa: PLC0415 - as above
    from mmrag.retrieval.layout import Limits  # noqa: PLC0415 - as above
    from mmrag.storage.catalog import SqliteStore  # noqa: PLC0415 - as above

    with SqliteStore(settings.home / STORE) as store:
        rows = Counter[str]()
        for document in store.documents(None):
            rows[document.collection] += document.chunks
        states, erasures = store.states(), store.erasures()
    limits = Limits(settings.exact_search_rows)
    for name, chunks in rows.most_common(SHOWN_COLLECTIONS):
        yield Finding(
            "search",
            "ok",
            f"{name}: {chunks:,} chunks, {limits.describe(chunks, beyond=settings.large_index)}",
        )
    embedder = build_embedder(settings).name
    outdated = sum(state.embedder != embedder for state in states.values())
    if outdated:
        says = f"the vectors of {outdated:,} collections are of an earlier model and are searched as such"
        yield Finding(
            "search", "note", says, "they are renewed in the background; `mmrag compact` does it now"
        )
    if erasures:
        says = f"{erasures:,} removals or updates may have left bytes on the disk"
        yield Finding("search", "note", says, "a running bot compacts by itself; `mmrag compact` does it now")


def _reranker(settings: Settings) -> Iterator[Finding]:
    from mmrag.assemble import build_reranker  # noqa: PLC0415 - as above

    reranker = build_reranker(settings)
    if reranker is None:
        yield Finding(
            "reranker", "note", "off: no weights come along; `rerank_model` names a cross-encoder you have"
        )
        return
    reranker.scores("a first question", ["a passage"])
    languages = "English and Chinese" if reranker.understands("这是中文吗？") else "not Chinese"
    yield Finding(
        "reranker",
        "ok",
        f"{reranker.name} on {reranker.device} orders the best {settings.rerank_candidates} candidates; "
        f"reads {languages}",
    )


def _reading(settings: Settings) -> Iterator[Finding]:
    from mmrag.assemble import build_reader  # noqa: PLC0415 - as above
    from mmrag.reading.confinement import MEASURES  # noqa: PLC0415 - as above

    with closing(build_reader(settings)) as reader:
        in_force = reader.measures()
    yield Finding(
        "reading",
        "ok",
        f"files are read in {settings.reading_processes} processes of at most "
        f"{settings.reading_memory_bytes / MEGABYTE:,.0f} MB and {settings.reading_page_seconds:,.0f} s "
        f"a page: {'; '.join(in_force)}",
    )
    if missing := [measure for measure in MEASURES if measure not in in_force]:
        yield Finding(
            "reading",
            "note",
            f"this system or its container does not allow: {'; '.join(missing)}",
            "the other measures hold; a Linux kernel from 5.13 that allows user namespaces allows all",
        )


def _pictures(settings: Settings) -> Iterator[Finding]:
    from mmrag.assemble import build_reader  # noqa: PLC0415 - as above

    with closing(build_reader(settings)) as reader:
        reading = reader.read(_specimen(), name="specimen.png")
    read = reading.pages[0].text.strip()
    if "42" in read:
        yield Finding("pictures", "ok", "OCR reads the specimen; PNG, JPEG, WebP, GIF, TIFF, BMP, AVIF")
    else:
        yield Finding("pictures", "fault", "OCR does not read the specimen picture", INSTALL)


def _specimen() -> bytes:
    """A picture that says "Sales 42"."""
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - only the doctor draws

    picture = Image.new("RGB", (400, 120), "white")
    ImageDraw.Draw(picture).text((30, 30), "Sales 42", fill="black", font=ImageFont.load_default(48))
    return _png(picture)


def _png(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _chart_model(settings: Settings) -> Iterator[Finding]:
    """Whether a model looks at charts, and works: it is shown one."""
    from mmrag.assemble import build_chart_model  # noqa: PLC0415 - as above

    model = build_chart_model(settings)
    if model is None:
        says = "off: no weights come along; `chart_model` names a DePlot or Granite-Docling that you have"
        yield Finding("chart model", "note", says)
        return
    with closing(model):
        (outcome,) = model.tables([_specimen_chart()], seconds=settings.reading_seconds)
    if isinstance(outcome, GenerationFailed):
        remedy = "until then charts are read without it, and each says so"
        yield Finding("chart model", "fault", f"{model.version}: {outcome}", remedy)
        return
    cells = sum(map(len, outcome.rows))
    yield Finding(
        "chart model",
        "ok" if cells else "note",
        f"{model.version} ({model.precision_reason}) wrote {cells} cells of a specimen chart; documents that "
        "another one read stay as they are until they are added again",
    )


def _specimen_chart() -> bytes:
    """Three bars with their names."""
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - only the doctor draws

    picture = Image.new("RGB", (480, 320), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(20)
    for place, (name, value) in enumerate((("Oslo", 40), ("Porto", 20), ("Leiden", 30))):
        left = 80 + 130 * place
        pen.rectangle((left, 270 - 5 * value, left + 60, 270), fill="steelblue")
        pen.text((left, 275), name, fill="black", font=font)
        pen.text((left + 15, 245 - 5 * value), str(value), fill="black", font=font)
    return _png(picture)


def _generator(settings: Settings) -> Iterator[Finding]:
    from mmrag.assemble import build_captioner, build_embedder  # noqa: PLC0415 - as above
    from mmrag.generation.choice import choose_generator  # noqa: PLC0415 - as above

    generator, reason = choose_generator(settings, build_embedder(settings))
    if generator.name == "extractive":
        yield Finding("generator", "ok", f"{generator.name} ({reason})")
        return
    try:
        with closing(generator):
            draft = generator.generate(_asked_of_a_generator())
    except GenerationFailed as failure:
        remedy = "until then answers are extractive, and say so"
        yield Finding("generator", "fault", f"{generator.name} gave no answer: {failure} ({reason})", remedy)
        return
    how = getattr(generator, "precision_reason", "")
    says = f"{generator.name} with {generator.model} ({reason}){f'; {how}' if how else ''}"
    if build_captioner(settings, generator) is not None:
        says += "; it writes captions of figures that are read"
    yield Finding("generator", "ok", f"{says}; it drafted {len(draft.claims)} sentences of a trial question")


def _asked_of_a_generator() -> Prompt:
    text = "The specimen weighs 42 grams."
    hit = Hit(Chunk(1, "", 1, 0, len(text), text), "Specimen", "", 1, 1.0, ())
    return Prompt("How much does the specimen weigh?", (hit,))


def _device(_: Settings) -> Iterator[Finding]:
    import torch  # noqa: PLC0415 - as above

    if torch.cuda.is_available():
        yield Finding("device", "ok", f"{torch.cuda.get_device_name()} with CUDA {torch.version.cuda}")
    else:
        yield Finding("device", "note", "no GPU: the embedder, OCR and any model run on the CPU")


def _service(settings: Settings) -> Iterator[Finding]:
    from mmrag.assemble import build_keys  # noqa: PLC0415 - as above

    if _version("fastapi") is None:
        yield Finding("service", "note", "mmrag serve needs more", "run  pip install 'mmrag[http]'")
        return
    with build_keys(settings) as keys:
        names = [f"{key.name} (mmrag_{key.id}_...)" for key in keys.all()]
    who = f"{len(names)} API keys: {', '.join(names)}" if names else "no API key: this machine only"
    yield Finding("service", "ok", f"mmrag serve takes {settings.serve_host}:{settings.serve_port}; {who}")


def _pages(settings: Settings) -> Iterator[Finding]:
    if not settings.public_url:
        yield Finding(
            "pages",
            "note",
            "citations have no links to the pages that they quote",
            "set MMRAG_PUBLIC_URL to the address at which people reach  mmrag serve",
        )
        return
    kept = "kept" if settings.keep_originals else "not kept"
    yield Finding(
        "pages",
        "ok",
        f"citations link to {settings.public_url} for {settings.link_days:g} days; originals are {kept}",
    )


def list_settings(settings: Settings) -> list[dict[str, str]]:
    """Every setting: its variable, value, where the value comes from, and what it is for."""
    return [
        {
            "variable": f"MMRAG_{name.upper()}",
            "key": name,
            "value": str(getattr(settings, name)),
            "source": source_of(name),
            "description": field.description or "",
        }
        for name, field in type(settings).model_fields.items()
    ]
