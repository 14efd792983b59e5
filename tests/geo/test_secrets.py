"""The installation's secret."""

import pytest

from geo.errors import SetupError
from geo.secrets import secret
from geo.settings import settings


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(settings(), "home", tmp_path)
    return tmp_path


def test_secret_is_made_once_for_its_owner_alone(home):
    first = secret()
    assert len(first) >= 32
    assert secret() == first
    assert (home / "secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("weak", ["short", "change-me" * 5, "default-secret-of-some-example-file"])
def test_secret_of_an_example_is_refused(monkeypatch, weak):
    monkeypatch.setattr(settings(), "secret", weak)
    with pytest.raises(SetupError, match=r"secret|密钥"):
        secret()


def test_secret_that_others_can_read_is_refused(home):
    secret()
    (home / "secret").chmod(0o644)
    with pytest.raises(SetupError) as refused:
        secret()
    assert refused.value.key == "secret_open"
