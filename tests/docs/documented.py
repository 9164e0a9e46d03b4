"""What is done with each documented command: run by a test, or why it cannot be.

Commands that are run are run in this order, in a copy of the repository whose datasets are small.
"""

# Run on the spot in `make test`: seconds.
QUICK = (
    'dicegrad identify "monai.losses:DiceLoss(batch=True, softmax=True)"',
    "python -m dicegrad.losses",
    "dicegrad plan --configfile config/acdc.yaml",
    "dicegrad audit Task04_Hippocampus",
    "dicegrad forecast Task04_Hippocampus",
)
# Run by the slow tests, studies with few and short training runs.
SLOW = (
    "snakemake --cores 2",
    "dicegrad summary results/demo",
    "dicegrad suspects results/demo",
    "dicegrad verify results/demo",
    "snakemake --report results/demo/report.html",
    "snakemake --cores 2 --config seed=1",
    "snakemake --cores 2 --configfile config/phantoms.yaml",
    "snakemake --cores 2 --configfile config/phantoms.yaml --config study=demo-seed1 seed=1",
    "snakemake -s PATH/Snakefile -d elsewhere --cores 2",
    "dicegrad train resources/heart config/datasets/heart.yaml OUT",
    "OMP_NUM_THREADS=1 dicegrad train resources/heart config/datasets/heart.yaml OUT0 --fold 0",
    "snakemake --cores 2 --configfile config/cross-entropy.yaml",
    "snakemake --cores 2 --configfile config/cross-entropy.yaml "
    "--config study=cross-entropy-seed1 seed=1",
    "snakemake --cores 2 --configfile config/transition.yaml",
    "snakemake --cores 2 --configfile config/missing-and-empty.yaml",
    "snakemake --cores 2 --configfile config/missing-and-empty.yaml "
    "--config study=missing-and-empty-seed1 seed=1",
    "dicegrad init Task04_Hippocampus --study mine",
    "snakemake --cores 2 --configfile config/mine.yaml",
    "dicegrad summary results/mine",
)
# What they make is made by the commands above, or they run the tests themselves.
MAKE = (
    *(
        f"make {name}"
        for name in ("setup", "demo", "test", "test-slow", "docs", "lint", "coverage")
    ),
    "make demo && find results/demo -name weights.pt -o -name scores.tsv -o -name comparisons.tsv "
    "| sort | xargs sha256sum",
)
# Why these are not run: the data, the weights or the package of a reader.
NEEDS_DATA = {
    "ACDC": (
        "snakemake --cores 2 --configfile config/acdc-lowres.yaml",
        "snakemake --cores 2 --configfile config/acdc-inplane.yaml",
        "snakemake --cores 16 --configfile config/acdc.yaml",
        "snakemake epsilon --cores 2 --configfile config/acdc.yaml",
        "snakemake download_acdc --cores 1 --configfile config/acdc.yaml",
        "snakemake unpack_brats --cores 1 --configfile config/brats.yaml",
    ),
    "Task 4 of the Medical Segmentation Decathlon, and ACDC": (
        "snakemake --cores 2 --configfile config/bench.yaml",
    ),
    "Task 4 of the Medical Segmentation Decathlon": (
        "dicegrad init Task04_Hippocampus --study hippo",
        "snakemake --cores 2 --configfile config/hippo.yaml",
        "dicegrad init Hippo --study hippo-half",
        "snakemake --cores 2 --configfile config/hippo-half.yaml",
    ),
    "Task 5 of the Medical Segmentation Decathlon": (
        "dicegrad check Task05_Prostate",
        "dicegrad init Task05_Prostate",
    ),
    "PI-CAI's label maps": ("dicegrad audit picai_labels/original",),
    "a loss of one's own": ('dicegrad identify "my_package.losses:MyLoss(smooth=1)" --json',),
    "weights and images; tests/cli/test_predict.py runs it on a phantom": (
        "dicegrad predict results/acdc/dataset~acdc/labeling~partial/loss~dice/phi~I/epsilon~1e-7/"
        "batch_size~2 IMAGES OUT",
        "dicegrad predict fold0/weights.pt fold1/weights.pt heart.nii.gz OUT",
    ),
    "nnU-Net and a data set; tests/interop trains with it": (
        "pip install '.[nnunet]'",
        'export nnUNet_extTrainer="$(dicegrad nnunet-trainers)"',
        "nnUNetv2_plan_and_preprocess -d 1",
        "nnUNetv2_train 1 3d_fullres 0 -tr nnUNetTrainerDicegrad",
        "nnUNetv2_predict -i IMAGES -o OUT -d 1 -c 3d_fullres -f 0 -tr nnUNetTrainerDicegrad",
    ),
    "Docker, or another program that builds a Containerfile": (
        "docker build -t dicegrad -f Containerfile .",
        'docker run --rm -v "$PWD:/work" dicegrad --cores 2',
        'docker run --rm -v "$PWD:/work" dicegrad --cores 2 '
        "--configfile /opt/dicegrad/config/acdc.yaml",
        'docker run --rm -v "$PWD:/work" --entrypoint dicegrad dicegrad summary results/demo',
    ),
    "MONAI, nnU-Net and an idle machine; tests/training/test_benchmark.py runs a step": (
        "python benchmarks/training.py",
        "python benchmarks/layers.py",
        "python benchmarks/losses.py",
        "python benchmarks/planning.py",
    ),
}
# A cluster, or a GPU.
NEEDS_CLUSTER = (
    "snakemake --profile profiles/slurm --configfile config/acdc.yaml",
    "snakemake --profile profiles/slurm --workflow-profile tests/slurm/profile",
    "sbatch --job-name=study --time=7-0 --cpus-per-task=2 --mem=4G --wrap "
    "'snakemake --profile profiles/slurm --configfile config/acdc.yaml'",
    "python -m tests.slurm.cluster start /tmp/lab",
    "python -m tests.slurm.cluster stop /tmp/lab",
    "python benchmarks/training.py --device cuda",
    "python benchmarks/training.py --device cuda --fastest",
    "python benchmarks/training.py --device cuda --compile",
    "snakemake --cores 16 --resources gpu=2 --configfile config/acdc.yaml",
    "export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592",
)
NOT_RUN = (*MAKE, *(each for group in NEEDS_DATA.values() for each in group), *NEEDS_CLUSTER)
