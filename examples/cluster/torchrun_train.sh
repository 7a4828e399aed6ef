#!/usr/bin/env bash
#SBATCH --job-name=spinlock-train
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
# Train one tokenizer with several processes, which exchange gradients after each step. With SLURM the processes are on
# all machines of the job, and without SLURM they are on this machine:
#
#     sbatch examples/cluster/torchrun_train.sh
#     PROCESSES=2 examples/cluster/torchrun_train.sh
#
# PROCESSES is the number of processes on each machine, by default the number of its GPUs, or 1 without SLURM.
# TORCHRUN is the command that starts torchrun, for example TORCHRUN="poetry run torchrun".
set -euo pipefail

if (($# == 0)); then
    set -- --config configs/vqvae/production.json --input datasets/quickstart.h5 --output checkpoints/vqvae/quickstart
fi
processes=${PROCESSES:-${SLURM_GPUS_ON_NODE:-1}}
if [[ -n ${SLURM_JOB_NODELIST:-} ]]; then
    machines=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
    main=${machines%%$'\n'*}
    port=$((29500 + SLURM_JOB_ID % 1000)) # depends on the job, so that two jobs on one machine rarely collide
    exec srun ${SLURM_CPUS_PER_TASK:+--cpus-per-task "$SLURM_CPUS_PER_TASK"} ${TORCHRUN:-torchrun} \
        --nnodes "$SLURM_NNODES" --nproc-per-node "$processes" \
        --rdzv-backend c10d --rdzv-endpoint "$main:$port" --rdzv-id "$SLURM_JOB_ID" \
        -m spinlock train-vqvae "$@"
fi
exec ${TORCHRUN:-torchrun} --standalone --nproc-per-node "$processes" -m spinlock train-vqvae "$@"
