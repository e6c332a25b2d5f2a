"""Errors of memory, plugins and disks, and Ctrl-C, are reported and lose no data."""

import errno
import os
import signal

import click
import numpy as np
import pytest
import torch
import xarray as xr
from click.testing import CliRunner

import xrdae
from faults import CALLS, check_failing_plugin, check_memory_limit, register_failing_plugin
from live_kills import FIRST, make_rows
from xrdae import cli
from xrdae.compute.device import is_out_of_memory
from xrdae.compute.threads import compute_in_pieces
from xrdae.live.result_column import Column
from xrdae.live.results import Results

# ---------------------------------------------------------------- live results


def test_rows_that_fail_on_a_full_disk_are_not_counted_and_can_be_written_again(
    tmp_path, monkeypatch
):
    more = make_rows("3", "4", temperature=[300.0, 310.0])
    store, undisturbed = tmp_path / "live.zarr", tmp_path / "undisturbed.zarr"
    with Results(undisturbed, {}) as results:
        for part in (FIRST, more):
            results.write(part, {})
    with Results(store, {}) as results:
        results.write(FIRST, {})
        write, calls = Column.write, []

        def write_or_fail(self, at, values):
            calls.append(0)
            if len(calls) == 4:
                raise OSError(errno.ENOSPC, "No space left on device")
            write(self, at, values)

        monkeypatch.setattr(Column, "write", write_or_fail)
        with pytest.raises(OSError, match="No space"):
            results.write(more, {})
        assert (len(results), results.read().sizes["pattern"]) == (2, 2)
        results.write(more, {})
    with xr.open_zarr(store, chunks=None) as a, xr.open_zarr(undisturbed, chunks=None) as b:
        xr.testing.assert_identical(a.load(), b.load())


# ---------------------------------------------------------------- memory


def test_a_kernel_without_enough_memory_is_called_with_smaller_blocks():
    sizes = []

    def kernel(block):
        sizes.append(len(block))
        if len(block) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return block * 2, block.sum(axis=1)

    table = np.arange(20.0).reshape(10, 2)
    double, total = compute_in_pieces(kernel, table)
    np.testing.assert_array_equal(double, table * 2)
    np.testing.assert_array_equal(total, table.sum(axis=1))
    assert max(sizes) == 10
    with pytest.raises(MemoryError, match="for a single pattern"):
        compute_in_pieces(lambda block: kernel(np.zeros((9, 2))), table)


def test_a_kernel_with_another_error_is_not_called_again():
    calls = []

    def kernel(block):
        calls.append(0)
        raise RuntimeError("no such luck")

    with pytest.raises(RuntimeError, match="no such luck"):
        compute_in_pieces(kernel, np.zeros((4, 2)))
    assert len(calls) == 1


def test_exceptions_of_numpy_and_torch_tell_that_memory_has_run_out():
    with pytest.raises(RuntimeError) as real:
        torch.empty(2**60)
    assert is_out_of_memory(real.value)
    with pytest.raises(MemoryError) as real:
        np.empty(2**55)
    assert is_out_of_memory(real.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("something else"))


@pytest.mark.parametrize(("what", "limit"), [("encode", 8), ("encode", 13), ("encode", 100),
                                             ("relevance", 8), ("reconstruct", 8),
                                             ("encode", 0)])  # fmt: skip
def test_results_do_not_depend_on_the_memory_of_the_device(simulated_series, model, what, limit):
    check_memory_limit(simulated_series(300), model, what, limit)


# ---------------------------------------------------------------- plugins


@pytest.mark.parametrize("hook", CALLS)
def test_an_error_of_a_plugin_names_the_plugin_and_its_hook(series, model, hook):
    check_failing_plugin(series, model, hook)


def test_an_error_of_a_built_in_step_has_no_note(series, model):
    with pytest.raises(xrdae.DataError) as caught:
        series.drop_vars("two_theta").xrdae.encode(model)
    assert not hasattr(caught.value, "__notes__")


def test_the_command_line_names_a_failing_plugin_in_one_line(series, model, tmp_path):
    series.to_netcdf(tmp_path / "data.nc")
    model.save(tmp_path / "model.nc")
    words = ["encode", tmp_path / "data.nc", "-m", tmp_path / "model.nc", "-o", tmp_path / "o.nc"]
    with register_failing_plugin("xrdae_encode", ZeroDivisionError):
        ended = CliRunner().invoke(cli.main, list(map(str, words)))
    assert ended.exit_code == 1
    assert ended.stderr == (
        "Error: ZeroDivisionError: no such luck; raised by the plugin 'unlucky' in its "
        "xrdae_encode\n"
    )
    assert not (tmp_path / "o.nc").exists()


# ---------------------------------------------------------------- Ctrl-C


@pytest.mark.parametrize("stage", ["make_context", "invoke"])
def test_ctrl_c_ends_a_command_with_130_at_any_moment(monkeypatch, stage):
    def interrupt(*_, **__):
        os.kill(os.getpid(), signal.SIGINT)

    owner = {"make_context": click.Group, "invoke": click.Command}[stage]
    monkeypatch.setattr(owner, stage, interrupt)
    ended = CliRunner().invoke(cli.main, ["plugins"])
    assert ended.exit_code == 130
    assert ended.stderr == "interrupted; no file was changed\n"
