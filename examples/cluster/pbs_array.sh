#!/usr/bin/env bash
#PBS -S /bin/bash
#PBS -N spinlock
#PBS -J 1-20
#PBS -l select=1:ncpus=4:mem=8gb
#PBS -l walltime=04:00:00
# Each task of the array makes one shard. The script is for PBS Professional and OpenPBS. Submit it from the root of the
# repository:
#
#     qsub examples/cluster/pbs_array.sh
#     qsub -v CONFIG=my.yaml,OUTPUT=my.h5 examples/cluster/pbs_array.sh
#     qsub -v "SPINLOCK=poetry run spinlock" examples/cluster/pbs_array.sh
#
# For extract-features or encode-to-tokens, change the last command. PBS passes no variable of your shell without -v or
# -V.
# Submit it again if tasks were killed: finished shards are not made again. Then run "spinlock join OUTPUT".
set -euo pipefail

export PBS_ARRAY_COUNT=20 # the number of tasks of -J; PBS sets no variable with it
export OMP_NUM_THREADS="${NCPUS:-1}"
cd "${PBS_O_WORKDIR:-.}"
exec ${SPINLOCK:-spinlock} generate \
    --config "${CONFIG:-configs/datasets/benchmark_50k.yaml}" \
    --output "${OUTPUT:-datasets/benchmark_50k.h5}"
