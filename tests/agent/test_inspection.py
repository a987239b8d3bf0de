"""Which operators a delegate took, read off the dataflow."""

from pipeline.agent.inspection import delegated


def op(inputs, outputs):
    return {"op_name": "X", "inputs": inputs, "outputs": outputs}


def test_what_leads_from_inputs_to_outputs_was_taken():
    chain = [op([0], [1]), op([1, 9], [2]), op([2], [3]), op([3], [4])]
    assert delegated(chain, [op([1, 9], [3])]) == {1, 2}


def test_two_partitions_leave_what_is_between_them():
    chain = [op([0], [1]), op([1], [2]), op([2], [3])]
    assert delegated(chain, [op([0], [1]), op([2], [3])]) == {0, 2}


def test_a_sink_that_reads_an_inner_tensor_was_taken_with_it():
    inner_sink, outer_sink = op([1], []), op([2], [])
    chain = [op([0], [1]), inner_sink, op([1], [2]), outer_sink]
    assert delegated(chain, [op([0], [2])]) == {0, 1, 2}


def test_without_a_delegate_nothing_was_taken():
    assert delegated([op([0], [1])], []) == set()
