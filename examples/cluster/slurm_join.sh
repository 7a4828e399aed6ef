#!/usr/bin/env bash
#SBATCH --job-name=spinlock-join
#SBATCH --cpus-per-task=1
#SBATCH --mem=8G
#SBATCH --time=01:00:00
# Put the shards of slurm_array.sh together when all of its tasks have finished:
#
#     job=$(sbatch --parsable examples/cluster/slurm_array.sh)
#     sbatch --dependency="afterok:$job" --kill-on-invalid-dep=yes examples/cluster/slurm_join.sh
#
# With the second option SLURM cancels the join if a task fails. Otherwise the join would wait without end.
set -euo pipefail

exec ${SPINLOCK:-spinlock} join "${1:-datasets/benchmark_50k.h5}"
