"""Streams: the results of a group's tasks, as they end."""

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import Header, Path, Query, Request, Response

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.gateway.bodies import wants_msgpack
from mpcsfaas.gateway.context import Gateway, gateway_of
from mpcsfaas.gateway.examples import EVENT
from mpcsfaas.gateway.openapi import READ_ERRORS, errors
from mpcsfaas.gateway.routing import subject_router
from mpcsfaas.gateway.streaming import ClosingStream, EventFormat, FrameFormat, SliceSize, StreamFormat, pieces_of

logger = logging.getLogger("mpcsfaas.gateway")

LARGEST_SEQUENCE = 2**63 - 1
FRAMES = {"schema": {"type": "string", "format": "binary"}}

Group = Annotated[str, Path(min_length=1, max_length=255, description="The group; it may contain slashes.")]
After = Annotated[int, Query(ge=0, le=LARGEST_SEQUENCE, description="The last sequence received; 0 for all.")]
LastEventId = Annotated[int | None, Header(ge=0, le=LARGEST_SEQUENCE, description="As `after`, which it overrides.")]

router = subject_router("tasks")


@router.get(
    "/v1/groups/{group:path}/stream",
    response_class=ClosingStream,
    responses={
        200: {
            "description": "Results, for as long as the client stays.",
            "content": {
                EventFormat.media_type: {"schema": {"type": "string"}, "example": EVENT},
                FrameFormat.media_type: FRAMES,
            },
        },
        **errors(*READ_ERRORS),
    },
)
async def stream_group(request: Request, group: Group, after: After = 0, last_event_id: LastEventId = None) -> Response:
    """Deliver the results of a group's tasks as they end. To resume, pass the last sequence received."""
    gateway = gateway_of(request)
    await gateway.hub.following()
    form: StreamFormat = FrameFormat() if wants_msgpack(request) else EventFormat()
    chunks = _stream(gateway, group, after if last_event_id is None else last_event_id, form)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return ClosingStream(chunks, media_type=form.media_type, headers=headers)


async def _stream(gateway: Gateway, group: str, after: int, form: StreamFormat) -> AsyncIterator[bytes]:
    size = SliceSize()
    try:
        async with aclosing(
            gateway.hub.feed(gateway.group_name(group), after, gateway.settings.stream_heartbeat)
        ) as feed:
            async for completions in feed:
                if not completions:
                    yield form.sign_of_life
                async for piece in pieces_of(gateway, completions, size, form):
                    yield piece
    except StorageUnavailable as error:
        logger.warning("The stream of group %r ends, its client will resume: %s", group, error)
