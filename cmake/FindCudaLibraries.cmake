# SPDX-License-Identifier: Apache-2.0
# The libraries of NVIDIA that the CUDA backend stands on, as imported targets: CudaLibraries::cudart (static),
# ::cublas, ::cublasLt and ::cudnn; and CudaLibraries_nccl_LIBRARY, if NCCL is there, which nothing is linked with.
#
# A library and its header are taken from one place, the first that has both: CUDAToolkit_ROOT, CMAKE_PREFIX_PATH,
# CUDA_HOME and CUDA_PATH, the toolkit of the compiler, /usr/local/cuda, /usr, NVIDIA's Python wheels, where a library
# has no name without its version, and wherever else CMake looks. The wheels are those of the python3 that comes first,
# or lie in CudaLibraries_WHEELS, a list of folders named nvidia. Never libcuda, the driver: a program that is linked
# with it does not start where there is no GPU.

set(cuda_library_places ${CUDAToolkit_ROOT} $ENV{CUDAToolkit_ROOT} ${CMAKE_PREFIX_PATH} $ENV{CUDA_HOME}
    $ENV{CUDA_PATH})
if(CMAKE_CUDA_COMPILER AND IS_ABSOLUTE ${CMAKE_CUDA_COMPILER})
  file(REAL_PATH ${CMAKE_CUDA_COMPILER} cuda_compiler_place)
  cmake_path(GET cuda_compiler_place PARENT_PATH cuda_compiler_place)
  cmake_path(GET cuda_compiler_place PARENT_PATH cuda_compiler_place)
  list(APPEND cuda_library_places ${cuda_compiler_place})
endif()
list(APPEND cuda_library_places /usr/local/cuda /usr)

# Asked for each time, as wheels may have been installed since.
set(cuda_library_wheels ${CudaLibraries_WHEELS})
if(NOT DEFINED CudaLibraries_WHEELS)
  find_program(CudaLibraries_PYTHON NAMES python3 python)
  mark_as_advanced(CudaLibraries_PYTHON)
  if(CudaLibraries_PYTHON)
    execute_process(COMMAND ${CudaLibraries_PYTHON} -c "import nvidia\nprint(';'.join(nvidia.__path__))"
                    OUTPUT_VARIABLE cuda_library_wheels OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
foreach(wheels IN LISTS cuda_library_wheels)
  file(GLOB packages LIST_DIRECTORIES true ${wheels}/*)
  list(APPEND cuda_library_places ${packages})
endforeach()
list(REMOVE_DUPLICATES cuda_library_places)

set(cuda_lib_suffixes lib64 lib lib/${CMAKE_LIBRARY_ARCHITECTURE} targets/${CMAKE_SYSTEM_PROCESSOR}-linux/lib)
set(cuda_include_suffixes include include/${CMAKE_LIBRARY_ARCHITECTURE}
    targets/${CMAKE_SYSTEM_PROCESSOR}-linux/include)

# find_cuda_library(NAME HEADER LIBRARY...). What the user states, or was found before, stays.
function(find_cuda_library name header)
  foreach(place IN LISTS cuda_library_places)
    unset(cuda_include_here)
    unset(cuda_library_here)
    find_path(cuda_include_here ${header} PATHS ${place} PATH_SUFFIXES ${cuda_include_suffixes}
              NO_DEFAULT_PATH NO_CACHE)
    find_library(cuda_library_here NAMES ${ARGN} PATHS ${place} PATH_SUFFIXES ${cuda_lib_suffixes}
                 NO_DEFAULT_PATH NO_CACHE)
    if(cuda_include_here AND cuda_library_here)
      cmake_path(GET cuda_library_here PARENT_PATH folder)
      find_path(CudaLibraries_${name}_INCLUDE_DIR ${header} PATHS ${cuda_include_here} NO_DEFAULT_PATH)
      find_library(CudaLibraries_${name}_LIBRARY NAMES ${ARGN} PATHS ${folder} NO_DEFAULT_PATH)
      break()
    endif()
  endforeach()
  find_path(CudaLibraries_${name}_INCLUDE_DIR ${header})
  find_library(CudaLibraries_${name}_LIBRARY NAMES ${ARGN})
  mark_as_advanced(CudaLibraries_${name}_INCLUDE_DIR CudaLibraries_${name}_LIBRARY)
endfunction()
find_cuda_library(cudart cuda_runtime_api.h libcudart_static.a)
find_cuda_library(cublas cublas_v2.h cublas libcublas.so.13 libcublas.so.12)
find_cuda_library(cublasLt cublasLt.h cublasLt libcublasLt.so.13 libcublasLt.so.12)
find_cuda_library(cudnn cudnn.h cudnn libcudnn.so.9)
find_cuda_library(nccl nccl.h nccl libnccl.so.2)

# One version, that of cuDNN, because its releases differ in what graphs they take.
foreach(header cudnn_version.h cudnn_version_v9.h)
  if(CudaLibraries_cudnn_INCLUDE_DIR AND EXISTS ${CudaLibraries_cudnn_INCLUDE_DIR}/${header})
    file(STRINGS ${CudaLibraries_cudnn_INCLUDE_DIR}/${header} lines REGEX "define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
    string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCHLEVEL ([0-9]+).*" "\\1.\\2.\\3"
           CudaLibraries_VERSION "${lines}")
    break()
  endif()
endforeach()

set(cuda_library_variables "")
set(cuda_library_cures "")
foreach(name IN ITEMS cudart cublas cublasLt cudnn)
  list(APPEND cuda_library_variables CudaLibraries_${name}_LIBRARY CudaLibraries_${name}_INCLUDE_DIR)
  if(CudaLibraries_${name}_LIBRARY AND CudaLibraries_${name}_INCLUDE_DIR)
    continue()
  elseif(name STREQUAL "cudnn")
    list(APPEND cuda_library_cures "cuDNN 9 is NVIDIA's Debian package libcudnn9-dev-cuda-13, or pip's nvidia-cudnn-cu13")
  elseif(name STREQUAL "cudart")
    list(APPEND cuda_library_cures "cudart comes with the CUDA toolkit")
  else()
    list(APPEND cuda_library_cures "cuBLAS comes with the CUDA toolkit, or is pip's nvidia-cublas")
  endif()
endforeach()
list(REMOVE_DUPLICATES cuda_library_cures)
list(JOIN cuda_library_cures ". " cuda_library_cures)
list(JOIN cuda_library_places ", " cuda_library_places)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  CudaLibraries REQUIRED_VARS ${cuda_library_variables} VERSION_VAR CudaLibraries_VERSION
  REASON_FAILURE_MESSAGE "Looked in ${cuda_library_places}. ${cuda_library_cures}. What lies elsewhere is named with \
-DCUDAToolkit_ROOT=DIR")

if(CudaLibraries_FOUND)
  foreach(name cudart cublas cublasLt cudnn)
    if(NOT TARGET CudaLibraries::${name})
      add_library(CudaLibraries::${name} UNKNOWN IMPORTED)
      set_target_properties(CudaLibraries::${name} PROPERTIES
                            IMPORTED_LOCATION ${CudaLibraries_${name}_LIBRARY}
                            INTERFACE_INCLUDE_DIRECTORIES ${CudaLibraries_${name}_INCLUDE_DIR})
    endif()
  endforeach()
  find_package(Threads REQUIRED)
  set_target_properties(CudaLibraries::cudart PROPERTIES
                        INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};rt")
endif()
