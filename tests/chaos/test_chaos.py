"""Chaos on each topology, and proof that its audit sees damage. CALLHISTORY_LONG=1 (tests/run --long): 580 faults."""

import unittest

import chaos
import redis_servers

SEED = 20261129
# Topology, faults, seed.
RUNS = (("single", 21, SEED), ("sentinel", 5, SEED), ("cluster", 5, SEED))
LONG_RUNS = (*(("single", 130, seed) for seed in (101, 102, 103)), ("sentinel", 60, SEED), ("cluster", 130, SEED))


class AllTopologies(unittest.TestCase):
    def test_what_was_acknowledged_is_there(self):
        for topology, faults, seed in LONG_RUNS if redis_servers.LONG else RUNS:
            with self.subTest(topology, seed=seed):
                found = chaos.run(topology, faults, seed)
                self.assertEqual({kind: items for kind, items in found.items() if items}, {})


class Sabotage(unittest.TestCase):
    def test_damage_is_detected(self):
        for sabotage, kind in zip(chaos.SABOTAGES, ("lost", "lost", "overwritten", "overwritten")):
            with self.subTest(sabotage):
                self.assertNotEqual(chaos.run("single", 2, SEED, sabotage)[kind], [])


if __name__ == "__main__":
    unittest.main()
