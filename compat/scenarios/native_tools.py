"""The tools inside our binary beside Kafka's scripts: the same calls print and end the same, against both kinds of broker.

For each kind there are two brokers, one driven by the scripts and one by the native tools, so that both see the same state before
each call. The calls are those of `official_calls` whose tool is native, and MORE here; where another tool changes something they
build on, the script runs on both sides.
"""
import re
import shlex
import time
from concurrent.futures import ThreadPoolExecutor

from harness.broker import ottla_binary
from harness.context import Context
from harness.install import need
from harness.shell import Failed, run as run_program
from scenarios.official_calls import CALLS, LINES, Call
from scenarios.official_rules import normalise
from scenarios.official_tools import CALL_LIMIT_SECONDS, READS_AGAIN, Outcome, Side, first_difference

SCENARIO = "native-tools"
NATIVE = [
    "kafka-topics", "kafka-configs", "kafka-consumer-groups", "kafka-groups", "kafka-get-offsets", "kafka-delete-records",
    "kafka-log-dirs", "kafka-broker-api-versions", "kafka-cluster", "kafka-metadata-quorum", "kafka-features", "kafka-transactions",
    "kafka-client-metrics", "kafka-share-groups", "kafka-streams-groups", "kafka-streams-application-reset", "kafka-console-share-consumer",
    "kafka-share-consumer-perf-test", "kafka-console-producer", "kafka-console-consumer", "kafka-producer-perf-test", "kafka-consumer-perf-test", "kafka-dump-log", "kafka-storage",
]
MORE = [
    Call("kafka-topics", "", 1),
    Call("kafka-topics", "--bogus", 1),
    Call("kafka-topics", "--version"),
    Call("kafka-topics", "{b} --list --describe", 1),
    Call("kafka-topics", "{b} --list --topic", 1),
    Call("kafka-topics", "{b} --list --topic a --topic b", 1),
    Call("kafka-topics", "{b} --list --partitions 3", 1),
    Call("kafka-topics", "{b} --create --topic x --partitions many", 1),
    Call("kafka-topics", "{b} --create --topic x --replica-assignment 1:1", 1),
    Call("kafka-topics", "{b} --describe --topic [", 1),
    Call("kafka-topics", "{b} --describe --topic-id short", 1),
    Call("kafka-topics", "{b} --alter --topic first", 1),
    Call("kafka-topics", "--bootstrap-server no.host.invalid:1 --list", 1),
    Call("kafka-topics", "--bootstrap-server nonsense --list", 1),
    Call("kafka-topics", "--bootstrap-server 127.0.0.1:1 --list --command-config {files}/brief.properties", 1),
    Call("kafka-groups", "--list", 1),
    Call("kafka-groups", "{b}", 1),
    Call("kafka-groups", "{b} --list --consumer --share", 1),
    Call("kafka-get-offsets", "--bootstrap-server nonsense", 1),
    Call("kafka-get-offsets", "{b} --topic-partitions first:0-x", 1),
    Call("kafka-get-offsets", "{b} --partitions x", 1),
    Call("kafka-log-dirs", "{b} --describe --broker-list x", 1),
    Call("kafka-consumer-groups", "{b} --describe", 1, rules=("sets",)),
    Call("kafka-consumer-groups", "{b} --list --describe --group g", 1),
    Call("kafka-consumer-groups", "{b} --list --bogus", 1),
    Call("kafka-configs", "{b} --describe --entity-type strange", 1),
    Call("kafka-configs", "{b} --alter --topic first --add-config nothing", 1),
    Call("kafka-configs", "{b} --alter --client c --add-config strange=1", 1),
    Call("kafka-cluster", "cluster-id --bootstrap-controller {controller}", rules=("ids",)),
    Call("kafka-metadata-quorum", "{b} describe --status --replication", 1),
    Call("kafka-metadata-quorum", "{b} remove-controller -i 1 -d abc", 1),
    Call("kafka-share-groups", "", 1),
    Call("kafka-share-groups", "--list", 1),
    Call("kafka-share-groups", "{b}", 1),
    Call("kafka-share-groups", "{b} --bogus", 1),
    Call("kafka-share-groups", "{b} --list --describe --group g", 1),
    Call("kafka-share-groups", "{b} --list --state strange", 1, rules=("sets",)),
    Call("kafka-share-groups", "{b} --describe", 1),
    Call("kafka-share-groups", "{b} --describe --group g --members --state", 1),
    Call("kafka-share-groups", "{b} --list --members", 1),
    Call("kafka-share-groups", "{b} --delete", 1),
    Call("kafka-share-groups", "{b} --delete --group g --topic t", 1),
    Call("kafka-share-groups", "{b} --delete-offsets --group g", 1),
    Call("kafka-share-groups", "{b} --reset-offsets --group g --topic lines --to-earliest", 1),
    Call("kafka-share-groups", "{b} --reset-offsets --group g --dry-run --to-earliest", 1),
    Call("kafka-share-groups", "{b} --reset-offsets --group g --topic lines --dry-run", 1),
    Call("kafka-share-groups", "{b} --reset-offsets --group g --topic lines --dry-run --to-earliest --to-latest", 1),
    Call("kafka-streams-groups", "", 1),
    Call("kafka-streams-groups", "--list", 1),
    Call("kafka-streams-groups", "{b}", 1),
    Call("kafka-streams-groups", "{b} --bogus", 1),
    Call("kafka-streams-groups", "{b} --list --describe --group g", 1),
    Call("kafka-streams-groups", "{b} --list --members", 1),
    Call("kafka-streams-groups", "{b} --state", 1),
    Call("kafka-streams-groups", "{b} --list --state empty,stable"),
    Call("kafka-streams-groups", "{b} --describe", 1),
    Call("kafka-streams-groups", "{b} --describe --group g --members --state", 1),
    Call("kafka-streams-groups", "{b} --describe --group g --state stable", 1),
    Call("kafka-streams-groups", "{b} --describe --group g --all-groups", 1),
    Call("kafka-streams-groups", "{b} --describe --all-groups"),
    Call("kafka-streams-groups", "{b} --describe --group nobody --state --verbose", 1),
    Call("kafka-streams-groups", "{b} --describe --group g --input-topic lines", 1),
    Call("kafka-streams-groups", "{b} --delete", 1),
    Call("kafka-streams-groups", "{b} --delete --group g --input-topic lines", 1),
    Call("kafka-streams-groups", "{b} --delete --all-groups --delete-all-internal-topics"),
    Call("kafka-streams-groups", "{b} --delete --group nobody --group first --group nobody --delete-all-internal-topics"),
    Call("kafka-streams-groups", "{b} --delete-offsets --group g", 1),
    Call("kafka-streams-groups", "{b} --delete-offsets --group g --group h --input-topic lines", 1),
    Call("kafka-streams-groups", "{b} --delete-offsets --group nobody --input-topic lines"),
    Call("kafka-streams-groups", "{b} --delete-offsets --group nobody --input-topic lines:0,1 --input-topic nowhere"),
    Call("kafka-streams-groups", "{b} --delete-offsets --group nobody --input-topic lines:x", 1),
    Call("kafka-streams-groups", "{b} --delete-offsets --group nobody --all-input-topics", 1),
    Call("kafka-streams-groups", "{b} --reset-offsets --all-input-topics --to-earliest --dry-run", 1),
    Call("kafka-streams-groups", "{b} --reset-offsets --group g --all-input-topics --to-earliest --dry-run --execute", 1),
    Call("kafka-streams-groups", "{b} --reset-offsets --group g --all-input-topics --to-earliest --to-latest --dry-run", 1),
    Call("kafka-streams-groups", "{b} --reset-offsets --group g --to-earliest --dry-run", 1),
    Call("kafka-streams-groups", "{b} --reset-offsets --group g --input-topic lines --dry-run", 1),
    Call("kafka-streams-groups", "{b} --reset-offsets --all-groups --all-input-topics --to-earliest --dry-run"),
    Call("kafka-streams-groups", "{b} --reset-offsets --group nobody --input-topic lines --to-earliest --dry-run"),
    Call("kafka-streams-groups", "{b} --reset-offsets --group nobody --input-topic lines:0 --to-earliest --execute --delete-internal-topic nowhere"),
    Call("kafka-streams-groups", "{b} --reset-offsets --group nobody --input-topic lines:77 --to-earliest --dry-run", 1),
    Call("kafka-streams-groups", "{b} --reset-offsets --group nobody --input-topic nowhere --to-earliest --dry-run", 1),
    Call("kafka-streams-groups", "{b} --reset-offsets --group nobody --input-topic lines --shift-by 1 --dry-run", 1),
    Call("kafka-streams-groups", "{b} --reset-offsets --group nobody --input-topic lines --shift-by x --dry-run", 1),
    Call("kafka-streams-groups", "{b} --reset-offsets --group nobody --input-topic lines --to-datetime yesterday --dry-run", 1),
    Call("kafka-streams-groups", "{b} --reset-offsets --group nobody --from-file {files}/offsets.csv --export --dry-run"),
    Call("kafka-streams-groups", "{b} --reset-offsets --group nobody --from-file {files}/offsets.csv --dry-run"),
    Call("kafka-streams-groups", "{b} --reset-offsets --group g --all-input-topics --to-earliest --dry-run --delete-all-internal-topics", 1),
    Call("kafka-streams-groups", "{b} --list --delete-all-internal-topics", 1),
    Call("kafka-streams-groups", "{b} --list --delete-internal-topic t", 1),
    Call("kafka-streams-groups", "{b} --list --execute", 1),
    Call("kafka-streams-groups", "{b} --list --timeout x", 1),
    Call("kafka-streams-groups", "--bootstrap-server nonsense --list", 1),
    Call("kafka-streams-groups", "{b} --list --command-config /absent.properties", 1),
    Call("kafka-console-share-consumer", "{b}", 1),
    Call("kafka-console-share-consumer", "--topic lines", 1),
    Call("kafka-console-share-consumer", "{b} --topic lines --reject --release", 1),
    Call("kafka-console-share-consumer", "{b} --topic lines --group a --command-property group.id=b", 1),
    Call("kafka-share-consumer-perf-test", "{b}", 1),
    Call("kafka-share-consumer-perf-test", "{b} --topic lines", 1),
    Call("kafka-features", "", 1),
    Call("kafka-features", "--bogus", 1),
    Call("kafka-features", "describe", 1),
    Call("kafka-features", "--bootstrap-server nonsense describe", 1),
    Call("kafka-features", "{b} --bootstrap-controller {controller} describe", 1),
    Call("kafka-features", "{b} --command-config {files}/absent.properties describe", 1),
    Call("kafka-features", "{b} describe --node-id x", 1),
    Call("kafka-features", "{b} describe --node-id -1", 1),
    Call("kafka-features", "{b} describe --node-id 1", rules=("epoch",)),
    Call("kafka-features", "{b} upgrade", 1),
    Call("kafka-features", "{b} upgrade --feature group.version", 1),
    Call("kafka-features", "{b} upgrade --feature group.version=1 --feature group.version=1", 1),
    Call("kafka-features", "{b} upgrade --release-version 4.3 --feature group.version=1", 1),
    Call("kafka-features", "{b} upgrade --release-version 9.9", 1),
    Call("kafka-features", "{b} upgrade --metadata 9.9", 1),
    Call("kafka-features", "{b} downgrade --feature group.version=1 --feature transaction.version=1 --dry-run"),
    Call("kafka-features", "{b} upgrade --feature group.version=9 --feature transaction.version=2 --dry-run", 1),
    Call("kafka-features", "version-mapping --release-version 3.7"),
    Call("kafka-features", "version-mapping --release-version 4.4-IV0"),
    Call("kafka-features", "version-mapping --release-version 4.4", 1),
    Call("kafka-producer-perf-test", "--topic first --num-records 5 --record-size 9 --throughput -1 {b} --transaction-duration-ms 0", 1),
    Call("kafka-producer-perf-test", "--topic first --num-records 5 --record-size 9 --throughput -1 {b} --transaction-duration-ms x", 1),
    Call("kafka-producer-perf-test", "--topic first --num-records 500 --record-size 9 --throughput 1000 {b} --transactional-id measured --transaction-duration-ms 100", rules=("figures",)),
    Call("kafka-features", "feature-dependencies", 1),
    Call("kafka-features", "feature-dependencies --feature eligible.leader.replicas.version=1 --feature metadata.version=99", 1),
    Call("kafka-features", "feature-dependencies --feature group.version=7", 1),
    Call("kafka-features", "feature-dependencies --feature group.version=x", 1),
    Call("kafka-transactions", "", 1),
    Call("kafka-transactions", "list", 1),
    Call("kafka-transactions", "{b} bogus", 1),
    Call("kafka-transactions", "{b} describe", 1),
    Call("kafka-transactions", "{b} abort --topic lines --partition x", 1),
    Call("kafka-transactions", "{b} abort --topic lines --partition 0", 1),
    Call("kafka-transactions", "{b} abort --topic lines --partition 0 --producer-id 7", 1),
    Call("kafka-transactions", "{b} abort --topic lines --partition 0 --producer-id 7 --producer-epoch 0 --coordinator-epoch 0", 0),
    Call("kafka-transactions", "{b} find-hanging", 1),
    Call("kafka-transactions", "{b} find-hanging --broker-id 1 --partition 0", 1),
    Call("kafka-transactions", "{b} find-hanging --topic nowhere", 1),
    Call("kafka-transactions", "{b} find-hanging --topic lines --max-transaction-timeout 0"),
    Call("kafka-transactions", "{b} list --transactional-id-pattern [", 1),
    Call("kafka-transactions", "{b} list --duration-filter 0 --transactional-id-pattern a.*"),
    Call("kafka-transactions", "{b} describe-producers --topic bad/name --partition 0", 1),
    Call("kafka-transactions", "{b} describe-producers --broker-id 1 --topic lines --partition 0", rules=("times", "producers")),
    Call("kafka-transactions", "{b} --command-config {files}/absent.properties list", 1),
    Call("kafka-transactions", "{b} forceTerminateTransaction --transactionalId fenced"),
    Call("kafka-transactions", "{b} list", rules=("producer-column",)),
    Call("kafka-transactions", "{b} describe --transactional-id fenced", rules=("producer-column",)),
    Call("kafka-client-metrics", "", 1),
    Call("kafka-client-metrics", "--list", 1),
    Call("kafka-client-metrics", "--bootstrap-server nonsense --list", 1),
    Call("kafka-client-metrics", "{b}", 1),
    Call("kafka-client-metrics", "{b} --list --name a", 1),
    Call("kafka-client-metrics", "{b} --alter", 1),
    Call("kafka-client-metrics", "{b} --delete", 1),
    Call("kafka-client-metrics", "{b} --alter --name a --interval x", 1),
    Call("kafka-client-metrics", "{b} --alter --name a --match frob=1", 1),
    Call("kafka-client-metrics", "{b} --alter --name a --metrics a,b,a --match client_id=a.* --match client_source_port=9"),
    Call("kafka-client-metrics", "{b} --describe --name a"),
    Call("kafka-client-metrics", "{b} --alter --name a --metrics '' --interval ''"),
    Call("kafka-client-metrics", "{b} --describe --name a"),
    Call("kafka-client-metrics", "{b} --describe --name nothing"),
    Call("kafka-client-metrics", "{b} --alter --generate-name --interval 5000", rules=("ids",)),
]
# Share groups from their first record to their end.
SHARE = [
    Call("kafka-topics", "{b} --create --topic shared --partitions 2"),
    # With keys, so that the records are in the same partitions of either broker.
    Call("kafka-console-producer", "{b} --topic shared --reader-property parse.key=true --reader-property key.separator=: --sync", stdin=LINES),
    Call("kafka-share-groups", "{b} --describe --group nobody"),
    Call("kafka-share-groups", "{b} --delete --group nobody"),
    Call("kafka-share-groups", "{b} --delete-offsets --group nobody --topic shared"),
    Call("kafka-share-groups", "{b} --reset-offsets --group sharers --topic shared --to-earliest --dry-run"),
    Call("kafka-share-groups", "{b} --reset-offsets --group sharers --topic shared:0,1 --to-earliest --execute"),
    Call("kafka-share-groups", "{b} --reset-offsets --group sharers --topic nowhere --to-earliest --execute"),
    Call("kafka-console-share-consumer", "{b} --topic shared --group sharers --max-messages 5 --timeout-ms 20000 --formatter-property print.delivery=true --formatter-property print.offset=true", rules=("unordered",)),
    Call("kafka-share-groups", "{b} --list"),
    Call("kafka-share-groups", "{b} --list --state"),
    Call("kafka-share-groups", "{b} --list --state stable"),
    Call("kafka-share-groups", "{b} --describe --group sharers", reads=True),
    Call("kafka-share-groups", "{b} --describe --group sharers --verbose", reads=True),
    Call("kafka-share-groups", "{b} --describe --group sharers --state", reads=True),
    Call("kafka-share-groups", "{b} --describe --group sharers --state --verbose", rules=("counts",), reads=True),
    Call("kafka-share-groups", "{b} --describe --group sharers --members", reads=True),
    Call("kafka-share-groups", "{b} --describe --all-groups", reads=True),
    Call("kafka-share-groups", "{b} --reset-offsets --group sharers --all-topics --to-earliest --execute"),
    Call("kafka-console-share-consumer", "{b} --topic shared --group sharers --max-messages 5 --timeout-ms 20000 --release --formatter-property print.delivery=true", rules=("unordered",)),
    Call("kafka-console-share-consumer", "{b} --topic shared --group sharers --max-messages 5 --timeout-ms 20000 --reject --formatter-property print.delivery=true", rules=("unordered",)),
    Call("kafka-console-share-consumer", "{b} --topic shared --group sharers --timeout-ms 2000"),
    Call("kafka-share-groups", "{b} --reset-offsets --group sharers --topic shared --to-datetime 2035-01-01T00:00:00.000 --execute"),
    Call("kafka-share-groups", "{b} --reset-offsets --group sharers --topic shared --to-latest --execute"),
    Call("kafka-share-groups", "{b} --delete-offsets --group sharers --topic shared"),
    Call("kafka-share-groups", "{b} --delete-offsets --group sharers --topic nowhere"),
    Call("kafka-share-groups", "{b} --delete --group sharers"),
    Call("kafka-share-groups", "{b} --list"),
    Call("kafka-share-groups", "{b} --reset-offsets --group measured --topic shared --to-earliest --execute"),
    Call("kafka-share-consumer-perf-test", "{b} --topic shared --group measured --num-records 5 --timeout 30000", rules=("share-row",)),
]
RESET = "{b} --application-id resetters"
# A Streams application set back: its group, its topics as it names them, what it reads.
APPLICATION = [
    Call("kafka-streams-application-reset", "", 1),
    Call("kafka-streams-application-reset", "{b}", 1),
    Call("kafka-streams-application-reset", "--bogus", 1),
    Call("kafka-streams-application-reset", "--help", 1),
    Call("kafka-streams-application-reset", "--version"),
    Call("kafka-streams-application-reset", f"{RESET} --application-id other", 1),
    Call("kafka-streams-application-reset", f"{RESET} --to-latest --shift-by 4", 1),
    Call("kafka-streams-application-reset", f"{RESET} --from-file a --to-datetime b", 1),
    Call("kafka-streams-application-reset", f"{RESET} --config-file a --command-config b", 1),
    Call("kafka-streams-application-reset", f"{RESET} --config-file {{files}}/absent.properties", 1),
    Call("kafka-streams-application-reset", f"{RESET} --command-config {{files}}/absent.properties", 1),
    Call("kafka-streams-application-reset", "--bootstrap-server nonsense --application-id resetters", 1),
    Call("kafka-streams-application-reset", RESET),
    Call("kafka-topics", "{b} --create --topic reads --partitions 3"),
    Call("kafka-topics", "{b} --create --topic between"),
    Call("kafka-topics", "{b} --create --topic resetters-read-changelog"),
    *[Call("kafka-topics", f"{{b}} --create --topic resetters-{name}") for name in (
        "KSTREAM-AGGREGATE-STATE-STORE-0000000003-changelog", "by-word-repartition", "a-subscription-response-topic", "output",
        "KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000006-topic", "KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-x-topic",
    )],
    Call("kafka-console-producer", "{b} --topic reads --reader-property parse.key=true --reader-property key.separator=: --sync", stdin=LINES * 4),
    Call("kafka-console-producer", "{b} --topic between --sync", stdin=LINES),
    Call("kafka-console-producer", "{b} --topic resetters-read-changelog --sync", stdin=LINES),
    # A static member is still there when its consumer has gone.
    Call("kafka-console-consumer", "{b} --topic reads --from-beginning --group resetters --timeout-ms 6000 --command-property group.instance.id=one", rules=("unordered",)),
    Call("kafka-streams-application-reset", f"{RESET} --input-topics reads", 1, rules=("members",)),
    Call("kafka-streams-application-reset", f"{RESET} --force --dry-run --input-topics reads --shift-by -2"),
    Call("kafka-consumer-groups", "{b} --describe --group resetters", reads=True),
    Call("kafka-streams-application-reset", f"{RESET} --dry-run --input-topics reads,nowhere --intermediate-topics between,away,between", 1),
    Call("kafka-streams-application-reset", f"{RESET} --dry-run --input-topics nowhere", 1),
    Call("kafka-streams-application-reset", f"{RESET} --dry-run --input-topics reads --input-topics resetters-read-changelog --config-file {{files}}/slow.properties"),
    *[Call("kafka-streams-application-reset", f"{RESET} --dry-run --input-topics reads,between {aim}", code) for aim, code in [
        ("--to-earliest", 0), ("--to-latest", 0), ("--to-offset 2", 0), ("--to-offset 0", 0), ("--to-offset 99", 0), ("--to-offset x", 1),
        ("--to-offset 1 --to-offset 2", 1), ("--shift-by 1", 0), ("--shift-by -99", 0), ("--by-duration PT0S", 0), ("--by-duration P9D", 0),
        ("--by-duration soon", 1), ("--to-datetime 2035-01-01T00:00:00.000", 0), ("--to-datetime 2020-01-01T00:00:00.000+02:00", 0),
        ("--to-datetime 1960-01-01T00:00:00.000", 1), ("--to-datetime yesterday", 1), ("--to-datetime 2035-01-01Tx", 1),
        ("--from-file {files}/absent.csv", 1), ("--from-file {files}/reset.csv", 0), ("--from-file {files}/empty.csv", 1), ("--from-file {files}/odd.csv", 1),
        ("--from-file {files}/word.csv", 1),
    ]],
    Call("kafka-streams-application-reset", f"{RESET} --internal-topics resetters-output", 1),
    Call("kafka-streams-application-reset", f"{RESET} --dry-run --internal-topics resetters-by-word-repartition"),
    Call("kafka-streams-application-reset", f"{RESET} --input-topics reads --to-offset 1 --internal-topics resetters-by-word-repartition"),
    Call("kafka-consumer-groups", "{b} --describe --group resetters", reads=True),
    Call("kafka-streams-application-reset", f"{RESET} --input-topics reads,resetters-read-changelog --intermediate-topics between"),
    Call("kafka-consumer-groups", "{b} --describe --group resetters", reads=True),
    Call("kafka-topics", "{b} --list"),
    Call("kafka-streams-application-reset", f"{RESET} --intermediate-topics between"),
]
FORMAT = "format -t b3R0bGEtY29tcGF0LTAwMQ -c {files}"
# Directories formatted and looked at; no broker is asked.
STORAGE = [
    Call("kafka-storage", "", 1),
    Call("kafka-storage", "bogus", 1),
    Call("kafka-storage", "info", 1),
    Call("kafka-storage", "info -c {files}/dynamic.properties", 1),
    Call("kafka-storage", "format -c {files}/dynamic.properties", 1),
    Call("kafka-storage", f"{FORMAT}/dynamic.properties", 1),
    Call("kafka-storage", f"{FORMAT}/dynamic.properties --standalone --add-scram x", 1),
    Call("kafka-storage", f"{FORMAT}/dynamic.properties --standalone --add-scram SCRAM-SHA-256=[name=a,salt=MWx2NHBkbnc0ZndxN25vdGN4bTB5eTFrN3E=,saltedpassword=mT0yyUUxnlJaC99HXgRTSYlbuqa4FSGtJCJfTMvjYCE=]"),
    Call("kafka-storage", f"{FORMAT}/dynamic.properties --standalone", 1),
    Call("kafka-storage", f"{FORMAT}/dynamic.properties --standalone -g"),
    Call("kafka-storage", "format -g -t b3R0bGEtb3RoZXItY2x1c3 -c {files}/dynamic.properties --standalone", 1),
    Call("kafka-storage", "info -c {files}/dynamic.properties"),
    Call("kafka-storage", f"{FORMAT}/two.properties --standalone --feature group.version=0 --feature metadata.version=25", rules=("unordered",)),
    Call("kafka-storage", "info -c {files}/two.properties"),
    Call("kafka-storage", f"{FORMAT}/static.properties --standalone", 1),
    Call("kafka-storage", f"{FORMAT}/static.properties -f kraft.version=1", 1),
    Call("kafka-storage", f"{FORMAT}/static.properties -r 3.9"),
    Call("kafka-storage", f"{FORMAT}/observer.properties --standalone", 1),
    Call("kafka-storage", f"{FORMAT}/observer.properties"),
    Call("kafka-storage", f"{FORMAT}/observer.properties -N -I 1@localhost:2:JEXY6aqzQY-32P5TStzaFg", 1),
    *[Call("kafka-storage", f"{FORMAT}/observer.properties -g -I {voters}", 1) for voters in (
        "1", "x@a:1:b", "1@", "1@localhost", "1@localhost:x:b", "1@localhost:1", "1@localhost:99999:b", "1@localhost:1:b",
    )],
    *[Call("kafka-storage", f"{FORMAT}/observer.properties -g -N {levels}", 1) for levels in (
        "-r 9.9", "-r 4.0 -f kraft.version=0", "-f strange.version=1", "-f group.version=9", "-f group", "-f group.version=x",
        "-r 4.0 -f metadata.version=25", "-r 3.4 -S SCRAM-SHA-256=[name=a,password=b]",
    )],
    Call("kafka-storage", "version-mapping"),
    Call("kafka-storage", "version-mapping -r 3.6"),
    Call("kafka-storage", "version-mapping -r 4.4-IV0"),
    Call("kafka-storage", "version-mapping -r 9.9", 1),
    Call("kafka-storage", "feature-dependencies", 1),
    Call("kafka-storage", "feature-dependencies -f kraft.version=1 -f transaction.version=2 -f share.version=1 -f eligible.leader.replicas.version=1"),
    *[Call("kafka-storage", f"feature-dependencies -f {feature}", 1) for feature in ("group.version=7", "metadata.version=99", "nothing=1", "nothing", "nothing=x")],
    Call("kafka-storage", "feature-dependencies -f metadata.version=31"),
    Call("kafka-storage", "random-uuid"),
    Call("kafka-storage", "random-uuid x", 1),
]
# What may differ beside `official_rules`, and why.
DECLARED = [
    (r"^(Option|------|\* --|--[\w.-]+( [<\[].*|  .*| *)$| {2,}|\t| -).*", "the table of flags is in our own words"),
    (r"^(Exception in thread \"main\" )?[\w.]+(Exception|Error): ", "an exception that nobody caught is told by its message"),
    (r"^(ottla: )?cannot read .*/absent.properties.*|^\S*/absent.properties$", "our message says more of a file that is not there"),
    (r"^WARN(?!:).*", "a line of the client's log, which has no time in ours"),
    (r"(?<=one of these options: ).*", "Kafka prints a set in the order of a JVM's addresses"),
    (r"(?<=requires one of the following scenarios: ).*", "Kafka prints a set in the order of a JVM's addresses"),
    (r"^(For input string: \"absent\"|.*the name must begin with an offset, and \"absent\" is none)", "our message names the file"),
]
# An exception, and its message.
THROWN = re.compile(r"(?:Caused by: )?[a-z]+\.[\w.$]+(?:Exception|Error): (.*)")
# What a client logs as an error; a script writes it to another place.
LOGGED = re.compile(r"^\[[\d-]+ [\d:,]+\] ERROR .*\n(org\.apache\.kafka\..*\n)?", re.M)


def run(context: Context) -> None:
    need("java")
    if context.kind == "jvm":
        return
    calls = [call for call in CALLS if call.tool in NATIVE or not (call.alone or context.quick)]
    for kind in ["ottla"] if context.quick else ["ottla", "jvm"]:
        compare_with(context, kind, [call for call in [*calls, *MORE, *SHARE, *APPLICATION, *STORAGE] if not call.missing])


def compare_with(context: Context, kind: str, calls: list[Call]) -> None:
    with ThreadPoolExecutor(2) as pair:
        brokers = [context.broker(f"native-{kind}", kind=kind), context.broker(f"native-{kind}-script", kind=kind)]
        try:
            script = Side(brokers[1])
            native = NativeSide(brokers[0], script)
            outcomes: dict[str, Outcome] = {}
            for call in calls:
                begun = time.monotonic()
                difference = compare(pair, native, script, call)
                if call.tool not in NATIVE:
                    continue
                outcome = outcomes.setdefault(call.tool, Outcome(f"ottla {call.tool.removeprefix('kafka-')}"))
                outcome.seconds += time.monotonic() - begun
                if difference:
                    print(f"    {call.tool} ({kind}) {call.arguments}: {difference}", flush=True)
                    outcome.different.append(f"{call.arguments}: {difference}")
                else:
                    outcome.equal += 1
            for outcome in outcomes.values():
                against = f"as the script, broker {kind}"
                if outcome.different:
                    context.report.add(outcome.tool, against, "failed", outcome.seconds, "; ".join(outcome.different))
                else:
                    text = f"{outcome.equal} calls print and end the same"
                    context.report.add(outcome.tool, against, "passed", outcome.seconds, text)
        finally:
            for broker in brokers:
                broker.close()


class NativeSide(Side):
    """A broker that is driven by the native tools, as far as there are any."""

    def __init__(self, broker, script: Side):
        super().__init__(broker)
        self.script = script

    def call(self, call: Call) -> tuple[int, str, str]:
        if call.tool not in NATIVE:
            return super().call(call)
        # Both read the same files: what a codec's library makes of a record is not the same bytes in two logs.
        files_of = self.script if call.tool == "kafka-dump-log" else self
        command = [ottla_binary(), call.tool, *shlex.split(files_of.fill(call.arguments))]
        done = run_program(command, CALL_LIMIT_SECONDS, stdin=call.stdin, check=False)
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def compare(pair: ThreadPoolExecutor, native: Side, script: Side, call: Call) -> str:
    """The first difference; empty when there is none."""
    difference = ""
    for _ in range(READS_AGAIN if call.reads else 1):
        try:
            told = list(pair.map(lambda side: side.call(call), [native, script]))
        except Failed as failure:
            return str(failure)
        roots = [script if call.tool == "kafka-dump-log" else native, script]
        ours, theirs = (seen(side, call, one) for side, one in zip(roots, told))
        difference = first_difference(ours, theirs)
        if not difference:
            break
    return re.sub(r"\bhere (?=')", "native ", difference).replace("against Kafka", "by the script")


def seen(side: Side, call: Call, told: tuple[int, str, str]) -> list[list[str]]:
    code, out, err = told
    rules = tuple(dict.fromkeys([*call.rules, "ids", "times"]))
    message = main_message(normalise(LOGGED.sub("", err), rules, side.broker), out)
    return [[str(code)], normalise(masked(call, out), rules, side.broker), message]


def masked(call: Call, text: str) -> str:
    """The times of a call that ran out of it, how often it was tried, and what a codec's library made of a record."""
    text = re.sub(r"(deadlineMs|nextAllowedTryMs|tries)=\d+", r"\1=N", text)
    text = re.sub(r"timed out at \d+ after \d+", "timed out at N after N", text)
    return re.sub(r'"size":\d+', '"size":N', text) if call.tool == "kafka-log-dirs" else text


def main_message(lines: list[str], out: str) -> list[str]:
    """The line that says what is wrong, unless the output does; a stack under it says it again. argparse4j justifies and wraps its usage, so of that only the
    letters count."""
    lines = [line for line in lines if line.strip()]
    if lines and lines[0].startswith("usage:"):
        return [re.sub(r"\s", "", "".join(lines))]
    told, lines = [out], list(lines)
    for line in lines[:]:
        if (thrown := THROWN.match(line)) and thrown[1] in "\n".join(told):
            lines.remove(line)
        told.append(line)
    for pattern, _ in DECLARED:
        lines = [re.sub(pattern, "", line) for line in lines]
    return [line for line in lines if line.strip()][:1]
