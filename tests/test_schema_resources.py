"""What the routes over kept state answer fits the published document."""

from __future__ import annotations

import pytest

from tests.schemas import FOLDER, MISSING, assert_document_fits
from tests.state_driver import users
from tests.test_resources_routes import TABLE, Things

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=MISSING)

# Route and method -> the schema of the answer; the document has none for a deleted response.
SCHEMAS = {
    ("/responses/{response_id}", "GET"): "Response",
    ("/responses/{response_id}/input_items", "GET"): "ResponseItemList",
    ("/responses/input_tokens", "POST"): "TokenCountsResource",
    ("/responses/compact", "POST"): "CompactResource",
    ("/conversations", "POST"): "ConversationResource",
    ("/conversations/{conversation_id}", "GET"): "ConversationResource",
    ("/conversations/{conversation_id}", "POST"): "ConversationResource",
    ("/conversations/{conversation_id}", "DELETE"): "DeletedConversationResource",
    ("/conversations/{conversation_id}/items", "GET"): "ConversationItemList",
    ("/conversations/{conversation_id}/items", "POST"): "ConversationItemList",
    ("/conversations/{conversation_id}/items/{item_id}", "GET"): "ConversationItem",
    ("/conversations/{conversation_id}/items/{item_id}", "DELETE"): "ConversationResource",
    ("/chat/completions", "GET"): "ChatCompletionList",
    ("/chat/completions/{completion_id}", "GET"): "CreateChatCompletionResponse",
    ("/chat/completions/{completion_id}", "POST"): "CreateChatCompletionResponse",
    ("/chat/completions/{completion_id}", "DELETE"): "ChatCompletionDeleted",
}
# Cancelling is for background responses. Listed messages are of any role; in the document only answers.
NOT_CHECKED = {
    ("/responses/{response_id}", "DELETE"),
    ("/responses/{response_id}/cancel", "POST"),
    ("/chat/completions/{completion_id}/messages", "GET"),
}


def test_every_route_is_named() -> None:
    assert set(TABLE) == SCHEMAS.keys() | NOT_CHECKED


@pytest.mark.parametrize(("template", "method"), SCHEMAS)
async def test_answers_fit(template: str, method: str) -> None:
    things = await Things.make()
    got = await things.ask(template, method)
    assert got.status == 200
    assert_document_fits(got.json(), SCHEMAS[template, method])


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}],
        },
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "42"},
        {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "42"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]},
        users(1)[0],
    ],
    ids=lambda item: str(item.get("type") or item["role"]),
)
async def test_items_fit_however_briefly_they_were_sent(item: dict[str, object]) -> None:
    things = await Things.make()
    made = await things.kept.ask("POST", "/v1/conversations", {"items": [item]})
    listed = await things.kept.ask("GET", f"/v1/conversations/{made.json()['id']}/items")
    assert_document_fits(listed.json(), "ConversationItemList")
