# SPDX-License-Identifier: Apache-2.0
"""A sweep's database: its address, the connection, and what to do while it does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from sqlalchemy import exc

from recycle_sorter.core.errors import InvalidInputError

Result = TypeVar("Result")
Say = Callable[[str], None]

# What a database raises; Optuna wraps most of it.
ERRORS: Final = (exc.SQLAlchemyError, StorageInternalError)
# What the next moment may mend: a server that restarts, a network that is gone, a locked file.
_PASSING: Final = (
    exc.OperationalError,
    exc.InterfaceError,
    exc.InternalError,
    exc.TimeoutError,
)
# Waits between the attempts of one call. A server restarts within them; a sweep that still has no
# answer ends, and the same command goes on with it.
WAITS_SEC: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0)


class DatabaseError(InvalidInputError):
    """The database does not answer, or not as it should; no fault of the trial that runs."""


def read_address(text: str) -> str:
    """Returns the address of a database, with a driver that is installed.

    Raises:
        InvalidInputError: If it is none.
    """
    try:
        address = sqlalchemy.make_url(text)
    except exc.ArgumentError as error:
        expected = "an address such as postgresql://user@host/sweeps"
        raise InvalidInputError("--storage", text, expected) from error
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    return address.render_as_string(hide_password=False)


def connect(url: str) -> optuna.storages.RDBStorage:
    """Opens Optuna's storage in a database."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    is_local = url.startswith("sqlite")
    engine = {"connect_args": {"timeout": 60}} if is_local else {"pool_pre_ping": True}
    storage = optuna.storages.RDBStorage(url, engine_kwargs=engine)
    if is_local:
        sqlalchemy.event.listen(storage.engine, "connect", _write_ahead)
        storage.engine.dispose()
    return storage


@contextmanager
def told_plainly(url: str) -> Iterator[None]:
    """Turns what a database that cannot be reached raises into an error for people.

    Raises:
        DatabaseError: Without the password that the address may hold.
    """
    try:
        yield
    except (ImportError, *ERRORS) as error:
        raise _plain(url, error) from None


def patiently(url: str, call: Callable[[], Result], say: Say) -> Result:
    """Asks a database, and a few times again where it does not answer.

    Args:
        url: Of the database.
        call: Asks; made twice it must do what it does once.
        say: Told each time that there was no answer.

    Returns:
        What the call returns.

    Raises:
        DatabaseError: If there is no answer in the end.
    """
    waits_sec = iter(WAITS_SEC)
    while True:
        try:
            return call()
        except ERRORS as error:
            wait_sec = next(waits_sec, None)
            if wait_sec is None or not isinstance(_cause(error), _PASSING):
                raise _plain(url, error) from None
            say(f"the database does not answer ({reason_of(error)}); again in {wait_sec:g} s")
        time.sleep(wait_sec)


def reason_of(error: BaseException) -> str:
    """Returns the first line of what the database itself said."""
    cause = _cause(error)
    return next(iter(str(getattr(cause, "orig", None) or cause).splitlines()), "")


def _plain(url: str, error: BaseException) -> DatabaseError:
    shown = sqlalchemy.make_url(url).render_as_string(hide_password=True)
    expected = f"a database that answers ({reason_of(error)})"
    return DatabaseError("--storage", shown, expected, "start it, or correct it")


def _cause(error: BaseException) -> BaseException:
    is_wrapped = isinstance(error, StorageInternalError) and error.__cause__ is not None
    return error.__cause__ or error if is_wrapped else error


def _write_ahead(connection: Any, _: object) -> None:
    """Lets SQLite write without waiting for the disk each time: a kill loses nothing by it."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
