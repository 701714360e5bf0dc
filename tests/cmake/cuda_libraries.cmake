# SPDX-License-Identifier: Apache-2.0
# FindCudaLibraries in made trees of empty files: each place that it looks in, which of them goes first, and what it
# says where something is missing. Each tree stands for the whole file system, as for a cross compiler, so that what
# this machine has is not seen. Usage: cmake -DMODULES=DIR -DSCRATCH=DIR -P cuda_libraries.cmake

cmake_minimum_required(VERSION 3.25)

set(arch x86_64-linux-gnu)
set(cudart cuda_runtime_api.h libcudart_static.a)
set(cublas cublas_v2.h libcublas.so)
set(cublasLt cublasLt.h libcublasLt.so)
set(cudnn cudnn.h libcudnn.so)
set(nccl nccl.h libnccl.so)
set(cublas_version 13)
set(cublasLt_version 13)
set(cudnn_version 9)
set(nccl_version 2)

# put(NAME...): header and library of each into ${headers} and ${libraries} of the present tree; with a suffix of the
# library's name if ${versioned} is ON.
function(put)
  foreach(name IN LISTS ARGN)
    list(GET ${name} 0 header)
    list(GET ${name} 1 library)
    if(versioned)
      string(APPEND library ".${${name}_version}")
    endif()
    file(WRITE ${tree}/${headers}/${header} "")
    file(WRITE ${tree}/${libraries}/${library} "")
    if(name STREQUAL "cudnn")
      file(WRITE ${tree}/${headers}/cudnn_version.h
           "#define CUDNN_MAJOR ${major}\n#define CUDNN_MINOR 19\n#define CUDNN_PATCHLEVEL 1\n")
    endif()
  endforeach()
endfunction()

# begin(WHAT): an empty tree. The folders and the version that put() takes are the usual ones then.
macro(begin what)
  set(case "${what}")
  set(tree ${SCRATCH}/tree)
  file(REMOVE_RECURSE ${tree})
  set(headers usr/local/cuda/include)
  set(libraries usr/local/cuda/lib64)
  set(versioned OFF)
  set(major 9)
  set(options "")
  set(environment "")
endmacro()

# look(): configures a project in which there is nothing but the tree.
macro(look)
  file(REMOVE_RECURSE ${SCRATCH}/build)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -E env --unset=CUDAToolkit_ROOT --unset=CUDA_HOME --unset=CUDA_PATH --unset=PYTHONPATH
            ${environment} ${CMAKE_COMMAND} -S ${SCRATCH}/project -B ${SCRATCH}/build -DMODULES=${MODULES}
            -DARCH=${arch} -DCMAKE_FIND_ROOT_PATH=${tree} -DCudaLibraries_WHEELS= ${options}
    OUTPUT_VARIABLE said ERROR_VARIABLE said)
  string(REPLACE "${tree}/" "/" said "${said}")
  string(REGEX REPLACE "[ \n]+" " " said "${said}")
endmacro()

# expect(TEXT...): what the configuration must have said.
function(expect)
  foreach(text IN LISTS ARGN)
    string(FIND "${said}" "${text}" at)
    if(at EQUAL -1)
      message(SEND_ERROR "${case}: nobody said '${text}', but: ${said}")
    endif()
  endforeach()
endfunction()

file(WRITE ${SCRATCH}/project/CMakeLists.txt [[
cmake_minimum_required(VERSION 3.25)
project(find NONE)
set(CMAKE_LIBRARY_ARCHITECTURE ${ARCH})
set(CMAKE_SYSTEM_PROCESSOR x86_64)
foreach(kind LIBRARY INCLUDE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)
endforeach()
list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_SOURCE_DIR} ${MODULES})
find_package(CudaLibraries 9.0 REQUIRED)
foreach(name cudart cublas cublasLt cudnn)
  get_target_property(library CudaLibraries::${name} IMPORTED_LOCATION)
  get_target_property(headers CudaLibraries::${name} INTERFACE_INCLUDE_DIRECTORIES)
  message("${name} is ${headers} ${library}.")
endforeach()
message("nccl is ${CudaLibraries_nccl_LIBRARY}.")
]])
# What CMake's own says of threads needs a compiler.
file(WRITE ${SCRATCH}/project/FindThreads.cmake "set(Threads_FOUND TRUE)\n")

begin("all in the toolkit")
put(cudart cublas cublasLt cudnn nccl)
look()
expect("cudart is /usr/local/cuda/include /usr/local/cuda/lib64/libcudart_static.a."
       "cublas is /usr/local/cuda/include /usr/local/cuda/lib64/libcublas.so."
       "cublasLt is /usr/local/cuda/include /usr/local/cuda/lib64/libcublasLt.so."
       "cudnn is /usr/local/cuda/include /usr/local/cuda/lib64/libcudnn.so."
       "nccl is /usr/local/cuda/lib64/libnccl.so." "version \"9.19.1\"")

begin("cuDNN and NCCL are packages of Debian")
put(cudart cublas cublasLt)
set(headers usr/include)
set(libraries usr/lib/${arch})
put(cudnn nccl)
look()
expect("cublas is /usr/local/cuda/include /usr/local/cuda/lib64/libcublas.so."
       "cudnn is /usr/include /usr/lib/${arch}/libcudnn.so." "nccl is /usr/lib/${arch}/libnccl.so.")

begin("headers in the folder of the architecture, and a library without its development name")
put(cudart cublas cublasLt)
set(headers usr/include/${arch})
set(libraries usr/lib/${arch})
set(versioned ON)
put(cudnn)
look()
expect("cudnn is /usr/include/${arch} /usr/lib/${arch}/libcudnn.so.9." "nccl is CudaLibraries_nccl_LIBRARY-NOTFOUND.")

begin("wheels")
put(cudart)
set(versioned ON)
foreach(wheel "cu13;cublas;cublasLt" "cudnn;cudnn" "nccl;nccl")
  list(POP_FRONT wheel folder)
  set(headers site/nvidia/${folder}/include)
  set(libraries site/nvidia/${folder}/lib)
  put(${wheel})
endforeach()
set(options -DCudaLibraries_WHEELS=${tree}/site/nvidia)
look()
set(as_wheels "cublas is /site/nvidia/cu13/include /site/nvidia/cu13/lib/libcublas.so.13."
              "cublasLt is /site/nvidia/cu13/include /site/nvidia/cu13/lib/libcublasLt.so.13."
              "cudnn is /site/nvidia/cudnn/include /site/nvidia/cudnn/lib/libcudnn.so.9."
              "nccl is /site/nvidia/nccl/lib/libnccl.so.2.")
expect(${as_wheels})

set(case "wheels of the Python that comes first")
find_program(python python3)
if(python)
  set(options -UCudaLibraries_WHEELS)
  set(environment PYTHONPATH=${tree}/site)
  look()
  expect(${as_wheels})
endif()

set(case "the toolkit and the system go before wheels")
set(versioned OFF)
set(headers usr/local/cuda/include)
set(libraries usr/local/cuda/lib64)
put(cublas cublasLt)
set(headers usr/include/${arch})
set(libraries usr/lib/${arch})
put(cublas cudnn)
set(environment "")
set(options -DCudaLibraries_WHEELS=${tree}/site/nvidia)
look()
expect("cublas is /usr/local/cuda/include /usr/local/cuda/lib64/libcublas.so."
       "cudnn is /usr/include/${arch} /usr/lib/${arch}/libcudnn.so." "nccl is /site/nvidia/nccl/lib/libnccl.so.2.")

set(case "what is named goes first, and a name with a version does not lose for it")
list(APPEND options -DCUDAToolkit_ROOT=${tree}/site/nvidia/cudnn)
look()
expect("cudnn is /site/nvidia/cudnn/include /site/nvidia/cudnn/lib/libcudnn.so.9."
       "cublas is /usr/local/cuda/include /usr/local/cuda/lib64/libcublas.so.")

begin("beside the compiler, and before it what the environment names")
foreach(place made/cuda-13.1 named)
  set(headers ${place}/include)
  set(libraries ${place}/targets/x86_64-linux/lib)
  put(cudart cublas cublasLt)
endforeach()
put(cudnn)
file(WRITE ${tree}/made/cuda-13.1/bin/nvcc "")
set(options -DCMAKE_CUDA_COMPILER=${tree}/made/cuda-13.1/bin/nvcc)
set(environment CUDA_PATH=${tree}/elsewhere CUDA_HOME=${tree}/named)
look()
expect("cudart is /named/include /named/targets/x86_64-linux/lib/libcudart_static.a.")
set(environment "")
list(APPEND options -DCMAKE_PREFIX_PATH=${tree}/named)
file(REMOVE ${tree}/named/include/cublas_v2.h)
look()
expect("cublas is /made/cuda-13.1/include /made/cuda-13.1/targets/x86_64-linux/lib/libcublas.so."
       "cudnn is /named/include /named/targets/x86_64-linux/lib/libcudnn.so.")

begin("a header without its library is no place")
put(cudart cublas cublasLt cudnn)
file(WRITE ${tree}/first/include/cudnn.h "")
set(options -DCUDAToolkit_ROOT=${tree}/first)
look()
expect("cudnn is /usr/local/cuda/include /usr/local/cuda/lib64/libcudnn.so.")

begin("no cuDNN")
put(cudart cublas cublasLt)
look()
expect("(missing: CudaLibraries_cudnn_LIBRARY CudaLibraries_cudnn_INCLUDE_DIR)" "Looked in /usr/local/cuda, /usr."
       "cuDNN 9 is NVIDIA's Debian package libcudnn9-dev-cuda-13, or pip's nvidia-cudnn-cu13." "-DCUDAToolkit_ROOT=DIR")

begin("no cuBLAS")
put(cudart cudnn)
look()
expect("missing: CudaLibraries_cublas_LIBRARY" "cuBLAS comes with the CUDA toolkit, or is pip's nvidia-cublas.")

begin("a cuDNN that is too old")
set(major 8)
put(cudart cublas cublasLt cudnn)
look()
expect("Found unsuitable version \"8.19.1\", but required is at least \"9.0\"")
