import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from deputize.gateway.loading.deployment import Deployment, PublishedEndpoint
from deputize.kernel.errors import ConfigurationError, Position
from deputize.secrets.secret import SecretError
from support.gateway import Answering
from support.patience import PATIENCE


def closing(order, name):
    async def close():
        order.append(name)
        if name == "broken":
            raise OSError("cannot")

    return close


async def test_closes_in_reverse_and_goes_on_after_a_failure():
    order = []
    deployment = Deployment(closers=[closing(order, name) for name in ("first", "broken", "last")])
    await deployment.close()
    await deployment.close()
    assert order == ["last", "broken", "first"]


async def test_jobs_repeat_also_after_a_failure_and_end_with_the_deployment():
    runs = asyncio.Semaphore(0)

    async def job():
        runs.release()
        raise ValueError("once more")

    deployment = Deployment(jobs=[(0.001, job)])
    deployment.start()
    for _ in range(3):
        await asyncio.wait_for(runs.acquire(), PATIENCE)
    await deployment.close()
    assert all(task.done() for task in deployment._tasks)


async def test_a_running_job_is_waited_for():
    begun, release, done = asyncio.Event(), asyncio.Event(), []

    async def job():
        begun.set()
        await release.wait()
        done.append("closed what it was closing")

    deployment = Deployment(jobs=[(0.001, job)])
    deployment.start()
    await begun.wait()
    closing_it = asyncio.create_task(deployment.close())
    await asyncio.sleep(0)
    release.set()
    await closing_it
    assert done == ["closed what it was closing"]


def test_a_path_is_published_once():
    deployment = Deployment()
    first = PublishedEndpoint(Answering(), Position("a.json", "/x"))
    deployment.publish("/p", first)
    with pytest.raises(ConfigurationError, match=r"already served for a\.json at /x"):
        deployment.publish("/p", PublishedEndpoint(Answering(), Position("a.json", "/y")))
    assert deployment.endpoints == {"/p": first}


def test_sources_that_change_or_vanish_make_it_outdated(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(b"one")
    deployment = Deployment(sources={path: b"one"})
    assert not deployment.is_outdated()
    path.write_bytes(b"two")
    assert deployment.is_outdated()
    assert Deployment(sources={Path("/nowhere"): b""}).is_outdated()


async def test_what_jobs_and_closers_raise_on_purpose_is_logged_without_a_traceback():
    ran = asyncio.Event()

    async def refuse():
        ran.set()
        raise SecretError("Store", "key", "KEY", "does not exist")

    deployment = Deployment(jobs=[(0.001, refuse)], closers=[refuse])
    with capture_logs() as lines:
        deployment.start()
        await asyncio.wait_for(ran.wait(), PATIENCE)
        await deployment.close()
    assert {line["event"] for line in lines} == {
        "a periodic job failed and will run again",
        "something could not be closed",
    }
    for line in lines:
        assert line["reason"] == "secret 'key' of Store: KEY does not exist"
        assert "exc_info" not in line
