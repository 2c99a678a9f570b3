"""Each property with a mutant that breaks it and the test that must notice."""

from typing import Final

import attrs

STATES, PLANS = "tests/states/test_machine.py", "tests/property/test_plan.py"
STORIES, COST = "tests/reconcile/test_plan.py", "tests/reconcile/test_cost.py"
CORNERS = "tests/reconcile/test_corners.py"
EXECUTOR, REFLECTOR = "tests/k8s/test_executor.py", "tests/k8s/test_reflector.py"
STORE, LEADER = "tests/k8s/test_store.py", "tests/k8s/test_leader.py"
GANG = "tests/reconcile/test_gang_world.py"


@attrs.frozen
class Mutant:
    """One bug that somebody could write.

    Attributes:
        property: what does not hold any more.
        file: under mpiop/.
        old: the text that is replaced; it stands once in the file.
        test: file and name of the test that kills it.
    """

    property: str
    file: str
    old: str
    new: str
    test: tuple[str, str]


MUTANTS: Final = (
    Mutant(
        "a verdict never changes",
        "states/machine.py",
        "    *(Edge(verdict, Phase.CLEANED,",
        "    Edge(Phase.SUCCEEDED, Phase.FAILED, guards.failed),\n"
        "    *(Edge(verdict, Phase.CLEANED,",
        (STATES, "test_a_verdict_never_changes"),
    ),
    Mutant(
        "the way does not matter",
        "states/machine.py",
        "*_to(Phase.CREATED, guards.workers_not_ready)",
        "Edge(Phase.WORKERS_READY, Phase.CREATED, guards.workers_not_ready)",
        (STATES, "test_the_way_does_not_matter"),
    ),
    Mutant(
        "settling ends",
        "states/guards.py",
        "_waiting(seen) and not seen.workers_ready",
        "_waiting(seen)",
        (STATES, "test_settling_ends_within_the_number_of_phases"),
    ),
    Mutant(
        "guards of the live phases exclude one another",
        "states/guards.py",
        "not seen.suspended and seen.launcher_started",
        "seen.launcher_started",
        (STATES, "test_the_guards_of_live_phases_exclude_one_another"),
    ),
    Mutant(
        "no edge is dead, no phase unreachable",
        "states/guards.py",
        "not seen.suspended and seen.refused and not seen.launcher_started",
        "False and seen.refused",
        (STATES, "test_no_edge_is_dead"),
    ),
    Mutant(
        "what is recorded is written before all else",
        "reconcile/plan.py",
        "    actions: list[Action] = [] if write is None else [write]\n"
        "    actions += lost_node.actions(facts)\n"
        "    actions += _work(facts, after, phase, outcome)\n",
        "    actions = list(_work(facts, after, phase, outcome))\n"
        "    actions += [] if write is None else [write]\n",
        (PLANS, "test_what_is_recorded_is_written_first"),
    ),
    Mutant(
        "only the recorded facts are read from the status",
        "reconcile/facts.py",
        "return seen or self.recorded.identity is not None",
        'status = self.snapshot.manifest.get("status") or {}\n'
        '        return seen or status.get("phase") == "LauncherRunning"',
        (PLANS, "test_erasing_a_status_changes_no_deed"),
    ),
    Mutant(
        "only own children are touched",
        "reconcile/facts.py",
        "if p.role == names.WORKER and p.owner == job.uid]",
        "if p.role == names.WORKER]",
        (CORNERS, "test_a_pod_with_our_labels_and_another_owner_is_left_alone"),
    ),
    Mutant(
        "deletes carry the uid",
        "reconcile/policies/clean_up.py",
        'Delete(Ref("Pod", facts.job.namespace, pod.name), pod.uid)',
        'Delete(Ref("Pod", facts.job.namespace, pod.name), "")',
        (PLANS, "test_only_own_children_are_changed"),
    ),
    Mutant(
        "a recorded verdict is never run again",
        "reconcile/plan.py",
        "    if phase in {*VERDICTS, Phase.CLEANED}:",
        "    if phase in VERDICTS:",
        (CORNERS, "test_a_recorded_success_is_never_run_again"),
    ),
    Mutant(
        "a status that says it already is not written",
        "reconcile/status.py",
        "    if not changed:\n        return None, None\n",
        "",
        (CORNERS, "test_a_status_that_says_it_already_is_not_written"),
    ),
    Mutant(
        "an exit code of 0 after a worker's end is no success",
        "reconcile/attempts.py",
        'if fate == "lost":',
        'if fate == "lost" and not why:',
        (STORIES, "test_exit_code_0_after_a_workers_end_is_a_failed_attempt"),
    ),
    Mutant(
        "a terminal Job is believed once its Pod is terminal",
        "reconcile/attempts.py",
        "if job is not None and job.terminal and pod is not None and not pod.terminal:",
        "if job is None and pod is not None and not pod.terminal:",
        (STORIES, "test_a_terminal_job_waits_for_its_pods_last_word"),
    ),
    Mutant(
        "a launcher that started nothing is no plain success",
        "reconcile/attempts.py",
        "if facts.job.worker_replicas and not started:",
        "if not facts.job.worker_replicas and not started:",
        (
            STORIES,
            "test_exit_code_0_without_a_remote_start_is_no_plain_success",
        ),
    ),
    Mutant(
        "a disruption is free",
        "reconcile/remember.py",
        "recorded.disruptions + int(free)",
        "recorded.disruptions",
        (STORIES, "test_a_disrupted_launcher_is_retried_for_free"),
    ),
    Mutant(
        "no attempt is raised while a launcher may run",
        "reconcile/remember.py",
        "    if facts.launcher_alive is not None:\n        return False\n",
        "",
        (CORNERS, "test_a_running_launcher_pod_keeps_the_attempt"),
    ),
    Mutant(
        "no Pod outlives what cleanPodPolicy allows",
        "reconcile/policies/clean_up.py",
        "if not _ended(pod) or pod.deleted)",
        "if _ended(pod))",
        (COST, "test_a_normal_life_over_ssh"),
    ),
    Mutant(
        "a deadline ends the launcher",
        "reconcile/policies/clean_up.py",
        "(*end_launcher(facts), *delete(",
        "(*delete(facts, ()), *delete(",
        (STORIES, "test_the_deadline_is_a_verdict_and_ends_the_launcher"),
    ),
    Mutant(
        "while a loss is judged, no worker is replaced",
        "reconcile/children.py",
        "    if _holding(facts):\n        return\n",
        "",
        (STORIES, "test_a_lost_worker_ends_the_attempt_after_ten_seconds"),
    ),
    Mutant(
        "a started attempt keeps its scripts",
        "reconcile/drift.py",
        "HOST_FILES if started else wanted.keys()",
        "wanted.keys()",
        (CORNERS, "test_a_started_attempt_keeps_all_but_its_hosts"),
    ),
    Mutant(
        "suspending ends the launcher before its workers",
        "reconcile/policies/suspension.py",
        "if ending or workers_wait(facts):",
        "if ending and not ending:",
        (STORIES, "test_suspending_ends_the_launcher_before_the_workers"),
    ),
    Mutant(
        "the first failure stops the rest",
        "k8s/executor.py",
        "            if failed:\n",
        "            if failed and acted == len(actions):\n",
        (EXECUTOR, "test_the_first_failure_stops_the_rest"),
    ),
    Mutant(
        "creates start slowly",
        "k8s/flights.py",
        "min(self._ended + 1, self._most)",
        "self._most",
        ("tests/k8s/test_flights.py", "test_calls_start_slowly"),
    ),
    Mutant(
        "nothing is told without the status",
        "k8s/executor.py",
        "if not any(isinstance(action, PatchStatus) for action in rest):",
        "if rest:",
        (EXECUTOR, "test_nothing_is_told_without_the_status"),
    ),
    Mutant(
        "at most one launcher: live reads before it is made",
        "k8s/executor.py",
        "        launching.check(self.api, job, action)\n",
        "",
        (EXECUTOR, "test_a_launcher_pod_that_may_run_blocks_another"),
    ),
    Mutant(
        "a failure is not asked again in a hot loop",
        "k8s/reflector.py",
        "        self._due = self.clock.monotonic() + pause\n        return pause",
        "        return 0.0",
        (REFLECTOR, "test_no_failure_is_asked_in_a_hot_loop"),
    ),
    Mutant(
        "410 leads to a list",
        "k8s/reflector.py",
        "            self.state = Empty()\n            return self._back_off()",
        "            return self._back_off()",
        (REFLECTOR, "test_gone_leads_to_a_list"),
    ),
    Mutant(
        "an object never goes back",
        "k8s/store.py",
        "if new.version <= known:",
        "if new.version == known:",
        (STORE, "test_the_past_does_not_come_back"),
    ),
    Mutant(
        "what is gone does not come back",
        "k8s/store.py",
        "known = old.version if old else shelf.gone.get(new.key, -1)",
        "known = old.version if old else -1",
        (STORE, "test_the_past_does_not_come_back"),
    ),
    Mutant(
        "a leader stops when its right is over",
        "k8s/leader.py",
        "self._valid_until = begin + self._lock.renew",
        "self._valid_until = begin + self._lock.lease",
        (LEADER, "test_a_server_that_is_away_stops_the_leader_and_not_for_longer"),
    ),
    Mutant(
        "a right counts from before its renewal was sent",
        "k8s/leader.py",
        "self._valid_until = begin +",
        "self._valid_until = self._clock.monotonic() +",
        (LEADER, "test_never_two_and_in_the_end_one"),
    ),
    Mutant(
        "a Lease that is not there counts as held",
        "k8s/leader.py",
        "left = self._respected(None, anew=anew) - self._lock.unseen",
        "left = 0.0",
        (LEADER, "test_a_lease_that_is_not_there_counts_as_held"),
    ),
    Mutant(
        "who makes the Lease anew writes only once every standby had a look",
        "k8s/leader.py",
        "if begin >= self._right_from:",
        "if True:",
        (LEADER, "test_a_lease_that_comes_and_goes_unseen_leaves_one_leader"),
    ),
    Mutant(
        "a standby that has not looked for long begins to wait again",
        "k8s/leader.py",
        "or self._seen.spec != spec or anew:",
        "or self._seen.spec != spec:",
        (LEADER, "test_a_standby_that_has_not_looked_for_long_begins_to_wait_again"),
    ),
    Mutant(
        "nothing is sent without the lease",
        "k8s/fence.py",
        "if self._closed or not self._may_write():",
        "if self._closed:",
        (EXECUTOR, "test_nothing_is_sent_without_the_lease"),
    ),
    Mutant(
        "a gang starts in a group of its own",
        "reconcile/policies/gang.py",
        "return going and not _staying(facts)",
        "return False",
        (GANG, "test_new_pods_wait_for_a_group_that_is_going"),
    ),
    Mutant(
        "a group outlives its Pods",
        "reconcile/policies/gang.py",
        "    if _staying(facts):\n        return ()\n",
        "",
        (GANG, "test_pods_that_stay_keep_their_group"),
    ),
)
