#!/usr/bin/env bash
# Make the shards of an output on several machines with ssh, and put them together.
#
#     HOSTS="node1 node2 node3" examples/cluster/ssh_loop.sh \
#         generate --config configs/datasets/quickstart.yaml --output datasets/quickstart.h5
#
# The machines see this directory under the same path, and start programs without a password. Each machine makes its
# shards one after the other. SHARDS is the number of shards, by default the number of machines. Run the script again if
# a machine failed: a finished shard ends at once.
set -euo pipefail

read -ra hosts <<<"${HOSTS:?set HOSTS to the names of the machines, for example HOSTS=\"node1 node2\"}"
shards=${SHARDS:-${#hosts[@]}}
command=$(printf '%q ' "$@")
folder=$(printf '%q' "$PWD")

for position in "${!hosts[@]}"; do
    for ((shard = position + 1; shard <= shards; shard += ${#hosts[@]})); do
        ssh -n -o BatchMode=yes "${hosts[position]}" \
            "cd $folder && ${SPINLOCK:-spinlock} $command --shard $shard/$shards" ||
            echo "shard $shard/$shards failed on ${hosts[position]}" >&2
    done &
done
wait

output=
for ((number = 1; number <= $#; number++)); do
    case ${!number} in
    --output) next=$((number + 1)) && output=${!next} ;;
    --output=*) output=${!number#--output=} ;;
    esac
done
exec ${SPINLOCK:-spinlock} join "$output"
