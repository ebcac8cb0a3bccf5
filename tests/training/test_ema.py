"""The average of the weights, against the formula."""

import torch
from toys import model, same

from kinema.training.loop import Average


def test_the_formula() -> None:
    net = model()
    average = Average(net, 0.7)
    expected = net.map.weight.detach().clone()
    for step in range(30):
        with torch.no_grad():
            net.map.weight.add_(step + 1.0)
            net.passes += 1
        average.update(step)
        decay = min(0.7, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * net.map.weight.detach()
    torch.testing.assert_close(average.weights()["map.weight"], expected)
    assert int(average.weights()["passes"]) == 30  # counters are copied, not averaged


def test_as_released_it_is_a_plain_copy_at_first_and_then_decays_at_the_full_rate() -> None:
    net = model()
    average = Average(net, 0.995, copied=20)
    expected = net.map.weight.detach().clone()
    for step in range(25):
        with torch.no_grad():
            net.map.weight.add_(step + 1.0)
        average.update(step)
        now = net.map.weight.detach()
        expected = now.clone() if step < 20 else 0.995 * expected + 0.005 * now
        torch.testing.assert_close(average.weights()["map.weight"], expected)


def test_applied_lends_the_average_and_gives_the_weights_back() -> None:
    net = model().train()
    average = Average(net, 0.9)
    with torch.no_grad():
        net.map.weight.zero_()
    own = {name: value.clone() for name, value in net.state_dict().items()}
    with average.applied() as lent:
        assert same(lent.state_dict(), average.weights())
        assert not lent.training
    assert same(net.state_dict(), own)
    assert net.training


def test_without_a_decay_it_is_the_weights() -> None:
    net = model()
    average = Average(net, None)
    with torch.no_grad():
        net.map.weight.zero_()
    average.update(0)
    assert same(average.weights(), net.state_dict())
