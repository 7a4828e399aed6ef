#!/usr/bin/env bash
#SBATCH --job-name=spinlock
#SBATCH --array=1-20
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
# Each task of the array makes one shard. Submit the script from the root of the repository:
#
#     sbatch examples/cluster/slurm_array.sh
#     sbatch examples/cluster/slurm_array.sh encode-to-tokens --dataset D.h5 --vqvae-model M.pt --output T.h5
#
# Submit it again if tasks were killed: finished shards are not made again. To repeat tasks 3 and 5 of 20 alone:
#
#     SHARDS=20 sbatch --array=3,5 examples/cluster/slurm_array.sh
set -euo pipefail

if (($# == 0)); then
    set -- generate --config configs/datasets/benchmark_50k.yaml --output datasets/benchmark_50k.h5
fi
if [[ -n ${SHARDS:-} ]]; then
    set -- "$@" --shard "$SLURM_ARRAY_TASK_ID/$SHARDS"
fi
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"
exec ${SPINLOCK:-spinlock} "$@"
