#!/bin/bash
# An array job of Slurm: sbatch slurm.sh. Each task does a part of the trainings.
# All see one folder, and a task that is requeued resumes where it was.
#SBATCH --job-name=rank
#SBATCH --array=0-63
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120

export GOMAXPROCS=$SLURM_CPUS_PER_TASK
trap 'kill -TERM $program; wait $program' TERM
srun ./unnas rank -data "$HOME/cifar-10-batches-bin" -out "$HOME/rank" &
program=$!
wait $program
