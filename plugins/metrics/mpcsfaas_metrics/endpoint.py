"""The route that Prometheus scrapes."""

import asyncio

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from mpcsfaas.interfaces import Storage
from mpcsfaas_metrics.ended_tasks import EndedTasks
from mpcsfaas_metrics.present import Present
from mpcsfaas_metrics.requests import CountedRequests, RequestCounts


def add_metrics(app: FastAPI, storage: Storage) -> None:
    """Add `/metrics` to a gateway. What it tells is gathered when it is asked, and costs nothing in between."""
    registry = CollectorRegistry()
    present, ended, requests = Present(registry), EndedTasks(registry), RequestCounts(registry)
    scraping = asyncio.Lock()

    async def metrics(_: Request) -> Response:
        """Tell Prometheus how the platform does."""
        async with scraping:  # Two that scrape at once must not both count the same tasks.
            await present.look(storage)
            await ended.follow(storage)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app.add_api_route("/metrics", metrics, methods=["GET"], tags=["platform"], include_in_schema=False)
    app.add_middleware(CountedRequests, counts=requests)
