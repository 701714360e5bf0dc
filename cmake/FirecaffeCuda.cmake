# SPDX-License-Identifier: Apache-2.0
# The CUDA backend, if FIRECAFFE_CUDA is ON, or AUTO and possible: nvcc, what it is asked for, and the libraries that the
# backend stands on.
# Our own kernels and the host code around them become part of the library firecaffe, so that nothing changes for those
# who install it or link with it; there is no second library to find.

if(NOT FIRECAFFE_CUDA)
  return()
endif()

find_program(CMAKE_CUDA_COMPILER NAMES $ENV{CUDACXX} nvcc PATHS /usr/local/cuda/bin DOC "nvcc"
             HINTS ${CUDAToolkit_ROOT} $ENV{CUDA_HOME} PATH_SUFFIXES bin)
if("${FIRECAFFE_CUDA}" STREQUAL AUTO)
  find_package(CudaLibraries 9.0 QUIET)
  if(NOT CMAKE_CUDA_COMPILER OR NOT CudaLibraries_FOUND)
    message(STATUS "CUDA: left out, because there is no nvcc, or no cuBLAS and cuDNN 9 for it; "
                   "-DFIRECAFFE_CUDA=ON says which, and where it was looked for")
    set(FIRECAFFE_CUDA OFF)
    return()
  endif()
  set(FIRECAFFE_CUDA ON)
endif()
if(NOT CMAKE_CUDA_COMPILER)
  message(FATAL_ERROR "FIRECAFFE_CUDA is ON, but there is no nvcc; install the CUDA toolkit (12.8 or later), or name "
                      "it with -DCMAKE_CUDA_COMPILER=DIR/bin/nvcc, or leave CUDA out with -DFIRECAFFE_CUDA=OFF")
endif()

# Left alone, CMake takes architecture 75. Here: A100, H100 and H200 as machine code, and later ones by the driver's
# compiler.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 90-virtual CACHE STRING "GPUs that kernels are compiled for")
endif()
enable_language(CUDA)
find_package(CudaLibraries 9.0 REQUIRED)
message(STATUS "CUDA: nvcc ${CMAKE_CUDA_COMPILER_VERSION}, cuDNN ${CudaLibraries_VERSION}, "
               "architectures ${CMAKE_CUDA_ARCHITECTURES}")

# NCCL is looked for by name when a program runs. Where only CMake would look, as in a wheel, our programs find it as
# long as they lie in the build tree.
if(CudaLibraries_nccl_LIBRARY)
  cmake_path(GET CudaLibraries_nccl_LIBRARY PARENT_PATH firecaffe_nccl_folder)
  if(NOT firecaffe_nccl_folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
    list(APPEND CMAKE_BUILD_RPATH ${firecaffe_nccl_folder})
  endif()
endif()

# How our .cu files are compiled. CMake 3.25 knows no flag of nvcc for C++20, so it is written out here.
function(firecaffe_cuda_settings target)
  set(options -std=c++20
      --extended-lambda         # bodies of kernels are lambdas
      --expt-relaxed-constexpr  # constexpr functions of core, such as Philox's, run on the GPU as they are
      --fmad=false              # a * b + c stays two roundings, as on the CPU: the same bits where the maths is ours
      -diag-suppress=554        # of a conversion that its requires-clause rules out
      -Xcompiler=-Wall,-Wextra,-Wshadow,-ffp-contract=off)
  if(FIRECAFFE_WERROR)
    list(APPEND options -Werror=all-warnings -Xcompiler=-Werror)
  endif()
  string(REPLACE "," ";" sanitizers "${FIRECAFFE_SANITIZE}")  # nvcc takes a comma for the end of an option
  foreach(sanitizer IN LISTS sanitizers)
    list(APPEND options -Xcompiler=-fsanitize=${sanitizer})
  endforeach()
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${options}>")
  # The runtime comes by name, so that those who link with the static library need not speak CUDA.
  set_target_properties(${target} PROPERTIES CUDA_RUNTIME_LIBRARY None CUDA_EXTENSIONS OFF)
endfunction()

function(firecaffe_link_cuda target)
  target_link_libraries(${target} PRIVATE CudaLibraries::cudnn CudaLibraries::cublas CudaLibraries::cublasLt
                        CudaLibraries::cudart)
endfunction()
