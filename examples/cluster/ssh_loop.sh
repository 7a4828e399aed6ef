#!/usr/bin/env bash
# Make the shards of an output on several machines with ssh, and put them together.
#
#     HOSTS="node1 node2 node3" examples/cluster/ssh_loop.sh \
#         generate --config configs/datasets/quickstart.yaml --output datasets/quickstart.h5
#
# The machines see this directory under the same path, and start programs without a password. If their shells do not
# find "spinlock", set SPINLOCK to its absolute path. Each machine makes its shards one after the other. SHARDS is the
# number of shards, by default the number of machines. If a shard fails, the script makes the other shards, joins
# nothing, and ends with an error. Run it again without --overwrite: finished shards are not made again.
set -euo pipefail

read -rd '' -a hosts <<<"${HOSTS:?set HOSTS to the names of the machines, for example HOSTS=\"node1 node2\"}" || true
if ((${#hosts[@]} == 0)); then
    echo "HOSTS has no names of machines" >&2
    exit 1
fi
shards=${SHARDS:-${#hosts[@]}}
command=$(printf '%q ' "$@")
folder=$(printf '%q' "$PWD")

make_shards() { # make the shards of one machine
    local position=$1 failed=0
    for ((shard = position + 1; shard <= shards; shard += ${#hosts[@]})); do
        if ! ssh -n -o BatchMode=yes "${hosts[position]}" \
            "cd $folder && ${SPINLOCK:-spinlock} $command --shard $shard/$shards"; then
            echo "shard $shard/$shards failed on ${hosts[position]}" >&2
            failed=1
        fi
    done
    return $failed
}

trap 'trap - INT TERM && kill 0' INT TERM # the loops in the background would go on
processes=()
for position in "${!hosts[@]}"; do
    make_shards "$position" &
    processes+=($!)
done
failed=0
for process in "${processes[@]}"; do
    wait "$process" || failed=1
done
if ((failed)); then
    echo "nothing is joined, because a shard failed" >&2
    exit 1
fi

output=
overwrite=()
for ((number = 1; number <= $#; number++)); do
    case ${!number} in
    --output) next=$((number + 1)) && output=${!next} ;;
    --output=*) output=${!number#--output=} ;;
    --overwrite) overwrite=(--overwrite) ;;
    esac
done
exec ${SPINLOCK:-spinlock} join "$output" ${overwrite[@]+"${overwrite[@]}"} # an empty array is an error in bash 4.3
