module @step {
  func.func public @main(%0: tensor<294xf32>, %1: tensor<2xi32>) -> (tensor<13xf32>) {
    %2 = stablehlo.slice %0 [0:120:1] : (tensor<294xf32>) -> tensor<120xf32>
    %3 = stablehlo.reshape %2 : (tensor<120xf32>) -> tensor<2x5x4x3xf32>
    %4 = stablehlo.slice %0 [120:282:1] : (tensor<294xf32>) -> tensor<162xf32>
    %5 = stablehlo.reshape %4 : (tensor<162xf32>) -> tensor<3x3x3x6xf32>
    %6 = stablehlo.slice %0 [282:288:1] : (tensor<294xf32>) -> tensor<6xf32>
    %7 = stablehlo.slice %0 [288:294:1] : (tensor<294xf32>) -> tensor<6xf32>
    %8 = stablehlo.constant dense<0.0e+00> : tensor<2x5x4x3xf32>
    %9 = stablehlo.maximum %3, %8 : tensor<2x5x4x3xf32>
    %10 = stablehlo.convolution(%9, %5) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [2, 2], pad = [[1, 1], [1, 1]], lhs_dilate = [1, 1], rhs_dilate = [1, 1]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<2x5x4x3xf32>, tensor<3x3x3x6xf32>) -> tensor<2x3x2x6xf32>
    %11 = stablehlo.constant dense<0.0e+00> : tensor<f32>
    %12 = stablehlo.reduce(%10 init: %11) applies stablehlo.add across dimensions = [0, 1, 2] : (tensor<2x3x2x6xf32>, tensor<f32>) -> tensor<6xf32>
    %13 = stablehlo.constant dense<8.3333336e-02> : tensor<6xf32>
    %14 = stablehlo.multiply %12, %13 : tensor<6xf32>
    %15 = stablehlo.broadcast_in_dim %14, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %16 = stablehlo.subtract %10, %15 : tensor<2x3x2x6xf32>
    %17 = stablehlo.reduce(%16 init: %11) applies stablehlo.add across dimensions = [0, 1, 2] : (tensor<2x3x2x6xf32>, tensor<f32>) -> tensor<6xf32>
    %18 = stablehlo.multiply %17, %13 : tensor<6xf32>
    %19 = stablehlo.multiply %16, %16 : tensor<2x3x2x6xf32>
    %20 = stablehlo.reduce(%19 init: %11) applies stablehlo.add across dimensions = [0, 1, 2] : (tensor<2x3x2x6xf32>, tensor<f32>) -> tensor<6xf32>
    %21 = stablehlo.multiply %20, %13 : tensor<6xf32>
    %22 = stablehlo.multiply %18, %18 : tensor<6xf32>
    %23 = stablehlo.subtract %21, %22 : tensor<6xf32>
    %24 = stablehlo.add %14, %18 : tensor<6xf32>
    %25 = stablehlo.constant dense<0.0e+00> : tensor<6xf32>
    %26 = stablehlo.maximum %23, %25 : tensor<6xf32>
    %27 = stablehlo.subtract %24, %14 : tensor<6xf32>
    %28 = stablehlo.subtract %18, %27 : tensor<6xf32>
    %29 = stablehlo.reshape %24 : (tensor<6xf32>) -> tensor<1x6xf32>
    %30 = stablehlo.reshape %26 : (tensor<6xf32>) -> tensor<1x6xf32>
    %31 = stablehlo.reshape %28 : (tensor<6xf32>) -> tensor<1x6xf32>
    %32 = stablehlo.concatenate %29, %30, %31, dim = 0 : (tensor<1x6xf32>, tensor<1x6xf32>, tensor<1x6xf32>) -> tensor<3x6xf32>
    %33 = stablehlo.slice %32 [0:1:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %34 = stablehlo.reshape %33 : (tensor<1x6xf32>) -> tensor<6xf32>
    %35 = stablehlo.slice %32 [2:3:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %36 = stablehlo.reshape %35 : (tensor<1x6xf32>) -> tensor<6xf32>
    %37 = stablehlo.add %34, %36 : tensor<6xf32>
    %38 = stablehlo.slice %32 [1:2:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %39 = stablehlo.reshape %38 : (tensor<1x6xf32>) -> tensor<6xf32>
    %40 = stablehlo.subtract %37, %34 : tensor<6xf32>
    %41 = stablehlo.subtract %36, %40 : tensor<6xf32>
    %42 = stablehlo.constant dense<1.0e+00> : tensor<6xf32>
    %43 = stablehlo.constant dense<1.0e-05> : tensor<6xf32>
    %44 = stablehlo.add %39, %43 : tensor<6xf32>
    %45 = stablehlo.sqrt %44 : tensor<6xf32>
    %46 = stablehlo.divide %42, %45 : tensor<6xf32>
    %47 = stablehlo.reshape %37 : (tensor<6xf32>) -> tensor<1x6xf32>
    %48 = stablehlo.reshape %41 : (tensor<6xf32>) -> tensor<1x6xf32>
    %49 = stablehlo.reshape %46 : (tensor<6xf32>) -> tensor<1x6xf32>
    %50 = stablehlo.concatenate %47, %48, %49, dim = 0 : (tensor<1x6xf32>, tensor<1x6xf32>, tensor<1x6xf32>) -> tensor<3x6xf32>
    %51 = stablehlo.constant dense<9.0e-01> : tensor<6xf32>
    %52 = stablehlo.multiply %6, %51 : tensor<6xf32>
    %53 = stablehlo.constant dense<1.0e-01> : tensor<6xf32>
    %54 = stablehlo.multiply %37, %53 : tensor<6xf32>
    %55 = stablehlo.add %52, %54 : tensor<6xf32>
    %56 = stablehlo.multiply %7, %51 : tensor<6xf32>
    %57 = stablehlo.constant dense<1.0909091e-01> : tensor<6xf32>
    %58 = stablehlo.multiply %39, %57 : tensor<6xf32>
    %59 = stablehlo.add %56, %58 : tensor<6xf32>
    %60 = stablehlo.slice %50 [0:1:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %61 = stablehlo.reshape %60 : (tensor<1x6xf32>) -> tensor<6xf32>
    %62 = stablehlo.slice %50 [1:2:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %63 = stablehlo.reshape %62 : (tensor<1x6xf32>) -> tensor<6xf32>
    %64 = stablehlo.broadcast_in_dim %61, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %65 = stablehlo.subtract %10, %64 : tensor<2x3x2x6xf32>
    %66 = stablehlo.broadcast_in_dim %63, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %67 = stablehlo.subtract %65, %66 : tensor<2x3x2x6xf32>
    %68 = stablehlo.slice %50 [2:3:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %69 = stablehlo.reshape %68 : (tensor<1x6xf32>) -> tensor<6xf32>
    %70 = stablehlo.broadcast_in_dim %69, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %71 = stablehlo.multiply %67, %70 : tensor<2x3x2x6xf32>
    %72 = stablehlo.broadcast_in_dim %25, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %73 = stablehlo.add %71, %72 : tensor<2x3x2x6xf32>
    %74 = stablehlo.reduce(%73 init: %11) applies stablehlo.add across dimensions = [1, 2] : (tensor<2x3x2x6xf32>, tensor<f32>) -> tensor<2x6xf32>
    %75 = stablehlo.constant dense<6.0e+00> : tensor<2x6xf32>
    %76 = stablehlo.divide %74, %75 : tensor<2x6xf32>
    %77 = stablehlo.constant dense<-1> : tensor<2xi32>
    %78 = stablehlo.compare NE, %1, %77, SIGNED : (tensor<2xi32>, tensor<2xi32>) -> tensor<2xi1>
    %79 = stablehlo.convert %78 : (tensor<2xi1>) -> tensor<2xi32>
    %80 = stablehlo.constant dense<0> : tensor<i32>
    %81 = stablehlo.reduce(%79 init: %80) applies stablehlo.add across dimensions = [0] : (tensor<2xi32>, tensor<i32>) -> tensor<i32>
    %82 = stablehlo.iota dim = 1 : tensor<2x6xi32>
    %83 = stablehlo.broadcast_in_dim %1, dims = [0] : (tensor<2xi32>) -> tensor<2x6xi32>
    %84 = stablehlo.compare EQ, %82, %83, SIGNED : (tensor<2x6xi32>, tensor<2x6xi32>) -> tensor<2x6xi1>
    %85 = stablehlo.constant dense<1.0e+00> : tensor<2x6xf32>
    %86 = stablehlo.constant dense<0.0e+00> : tensor<2x6xf32>
    %87 = stablehlo.select %84, %85, %86 : tensor<2x6xi1>, tensor<2x6xf32>
    %88 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %89 = stablehlo.reduce(%76 init: %88) applies stablehlo.maximum across dimensions = [1] : (tensor<2x6xf32>, tensor<f32>) -> tensor<2xf32>
    %90 = stablehlo.broadcast_in_dim %89, dims = [0] : (tensor<2xf32>) -> tensor<2x6xf32>
    %91 = stablehlo.subtract %76, %90 : tensor<2x6xf32>
    %92 = stablehlo.exponential %91 : tensor<2x6xf32>
    %93 = stablehlo.reduce(%92 init: %11) applies stablehlo.add across dimensions = [1] : (tensor<2x6xf32>, tensor<f32>) -> tensor<2xf32>
    %94 = stablehlo.log %93 : tensor<2xf32>
    %95 = stablehlo.multiply %87, %91 : tensor<2x6xf32>
    %96 = stablehlo.reduce(%95 init: %11) applies stablehlo.add across dimensions = [1] : (tensor<2x6xf32>, tensor<f32>) -> tensor<2xf32>
    %97 = stablehlo.subtract %94, %96 : tensor<2xf32>
    %98 = stablehlo.constant dense<0.0e+00> : tensor<2xf32>
    %99 = stablehlo.select %78, %97, %98 : tensor<2xi1>, tensor<2xf32>
    %100 = stablehlo.reduce(%99 init: %11) applies stablehlo.add across dimensions = [0] : (tensor<2xf32>, tensor<f32>) -> tensor<f32>
    %101 = stablehlo.constant dense<1> : tensor<i32>
    %102 = stablehlo.maximum %81, %101 : tensor<i32>
    %103 = stablehlo.convert %102 : (tensor<i32>) -> tensor<f32>
    %104 = stablehlo.divide %100, %103 : tensor<f32>
    %105 = stablehlo.reshape %104 : (tensor<f32>) -> tensor<1xf32>
    %106 = stablehlo.concatenate %105, %55, %59, dim = 0 : (tensor<1xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<13xf32>
    return %106 : tensor<13xf32>
  }
}
