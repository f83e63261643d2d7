// A tool in parts, with Nextflow:
//
//   nextflow run main.nf --out /data/out.zarr --parts 8 --command 'zrecompress /data/src.zarr --clevel 5' [-profile slurm]
//
// Paths are absolute, because every process runs in a directory of its own. A part that is finished ends at once.
params.out = null
params.parts = 8
params.command = null
params.split = "${projectDir}/../parts.sh"

flags = "-o '${params.out}' -n ${params.parts}"

process prepare {
    output: val true
    script: "${params.split} prepare ${flags} -- ${params.command}"
}

process part {
    // Exit code 6 is a network that failed; 130 to 145 are signals, such as those of a job that is preempted.
    errorStrategy { task.exitStatus == 6 || task.exitStatus in 130..145 ? 'retry' : 'finish' }
    maxRetries 3
    cpus 4
    memory '8 GB'
    input: val ready
           each index
    output: val true
    script: "${params.split} part -i ${index} -j ${task.cpus} -m ${(task.memory.toMega() * 7).intdiv(10)}M ${flags} -- ${params.command}"
}

process finish {
    input: val parts
    script: "${params.split} finish ${flags} -- ${params.command}"
}

workflow {
    finish(part(prepare(), Channel.of(1..params.parts)).collect())
}
