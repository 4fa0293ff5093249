"""The OpenAPI document: its examples are what the service takes and gives."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from mmrag.service import schemas

MODELS = {model.__name__: model for model in schemas.ALL}


@pytest.fixture
def document(shared_service):
    return shared_service.get("/openapi.json").json()


def test_every_route_has_a_summary_and_says_how_it_fails(document):
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["description"]
            assert set(operation["responses"]) > {"200"}, path


@pytest.mark.parametrize("name", MODELS)
def test_every_example_is_of_its_own_form(name):
    model = MODELS[name]
    for example in model.model_config.get("json_schema_extra", {}).get("examples", []):
        TypeAdapter(model).validate_python(example)


def test_every_body_that_a_client_sends_has_an_example(document):
    sent = {name for name in MODELS if name.endswith("Body")}
    assert {name for name in sent if not document["components"]["schemas"][name].get("examples")} == set()


def test_every_reference_leads_somewhere(document):
    def references(value):
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            for each in value.values():
                yield from references(each)
        elif isinstance(value, list):
            for each in value:
                yield from references(each)

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known
