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
    %11 = stablehlo.reshape %10 : (tensor<2x3x2x6xf32>) -> tensor<12x6xf32>
    %12 = stablehlo.constant dense<0.0e+00> : tensor<6xf32>
    %13 = stablehlo.slice %11 [2:3:1, 0:6:1] : (tensor<12x6xf32>) -> tensor<1x6xf32>
    %14 = stablehlo.reshape %13 : (tensor<1x6xf32>) -> tensor<6xf32>
    %15 = stablehlo.add %12, %14 : tensor<6xf32>
    %16 = stablehlo.slice %11 [6:7:1, 0:6:1] : (tensor<12x6xf32>) -> tensor<1x6xf32>
    %17 = stablehlo.reshape %16 : (tensor<1x6xf32>) -> tensor<6xf32>
    %18 = stablehlo.add %15, %17 : tensor<6xf32>
    %19 = stablehlo.slice %11 [10:11:1, 0:6:1] : (tensor<12x6xf32>) -> tensor<1x6xf32>
    %20 = stablehlo.reshape %19 : (tensor<1x6xf32>) -> tensor<6xf32>
    %21 = stablehlo.add %18, %20 : tensor<6xf32>
    %22 = stablehlo.constant dense<3.3333334e-01> : tensor<6xf32>
    %23 = stablehlo.multiply %21, %22 : tensor<6xf32>
    %24 = stablehlo.broadcast_in_dim %23, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %25 = stablehlo.subtract %10, %24 : tensor<2x3x2x6xf32>
    %26 = stablehlo.multiply %25, %25 : tensor<2x3x2x6xf32>
    %27 = stablehlo.reshape %25 : (tensor<2x3x2x6xf32>) -> tensor<3x4x6xf32>
    %28 = stablehlo.reshape %26 : (tensor<2x3x2x6xf32>) -> tensor<3x4x6xf32>
    %29 = stablehlo.constant dense<0.0e+00> : tensor<f32>
    %30 = stablehlo.constant dense<8.3333336e-02> : tensor<6xf32>
    %31:2 = "stablehlo.reduce"(%27, %28, %29, %29) <{dimensions = array<i64: 1>}> ({
    ^bb0(%a: tensor<f32>, %b: tensor<f32>, %c: tensor<f32>, %d: tensor<f32>):
      %e = stablehlo.add %a, %c : tensor<f32>
      %f = stablehlo.add %b, %d : tensor<f32>
      stablehlo.return %e, %f : tensor<f32>, tensor<f32>
    }) : (tensor<3x4x6xf32>, tensor<3x4x6xf32>, tensor<f32>, tensor<f32>) -> (tensor<3x6xf32>, tensor<3x6xf32>)
    %33:2 = "stablehlo.reduce"(%31#0, %31#1, %29, %29) <{dimensions = array<i64: 0>}> ({
    ^bb0(%a: tensor<f32>, %b: tensor<f32>, %c: tensor<f32>, %d: tensor<f32>):
      %e = stablehlo.add %a, %c : tensor<f32>
      %f = stablehlo.add %b, %d : tensor<f32>
      stablehlo.return %e, %f : tensor<f32>, tensor<f32>
    }) : (tensor<3x6xf32>, tensor<3x6xf32>, tensor<f32>, tensor<f32>) -> (tensor<6xf32>, tensor<6xf32>)
    %35 = stablehlo.multiply %33#0, %30 : tensor<6xf32>
    %36 = stablehlo.multiply %33#1, %30 : tensor<6xf32>
    %37 = stablehlo.multiply %35, %35 : tensor<6xf32>
    %38 = stablehlo.subtract %36, %37 : tensor<6xf32>
    %39 = stablehlo.add %23, %35 : tensor<6xf32>
    %40 = stablehlo.subtract %39, %23 : tensor<6xf32>
    %41 = stablehlo.subtract %39, %40 : tensor<6xf32>
    %42 = stablehlo.subtract %23, %41 : tensor<6xf32>
    %43 = stablehlo.subtract %35, %40 : tensor<6xf32>
    %44 = stablehlo.add %42, %43 : tensor<6xf32>
    %45 = stablehlo.maximum %38, %12 : tensor<6xf32>
    %46 = stablehlo.reshape %39 : (tensor<6xf32>) -> tensor<1x6xf32>
    %47 = stablehlo.reshape %45 : (tensor<6xf32>) -> tensor<1x6xf32>
    %48 = stablehlo.reshape %44 : (tensor<6xf32>) -> tensor<1x6xf32>
    %49 = stablehlo.concatenate %46, %47, %48, dim = 0 : (tensor<1x6xf32>, tensor<1x6xf32>, tensor<1x6xf32>) -> tensor<3x6xf32>
    %50 = stablehlo.slice %49 [0:1:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %51 = stablehlo.reshape %50 : (tensor<1x6xf32>) -> tensor<6xf32>
    %52 = stablehlo.slice %49 [2:3:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %53 = stablehlo.reshape %52 : (tensor<1x6xf32>) -> tensor<6xf32>
    %54 = stablehlo.add %51, %53 : tensor<6xf32>
    %55 = stablehlo.slice %49 [1:2:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %56 = stablehlo.reshape %55 : (tensor<1x6xf32>) -> tensor<6xf32>
    %57 = stablehlo.subtract %54, %51 : tensor<6xf32>
    %58 = stablehlo.subtract %53, %57 : tensor<6xf32>
    %59 = stablehlo.constant dense<1.0e+00> : tensor<6xf32>
    %60 = stablehlo.constant dense<1.0e-05> : tensor<6xf32>
    %61 = stablehlo.add %56, %60 : tensor<6xf32>
    %62 = stablehlo.sqrt %61 : tensor<6xf32>
    %63 = stablehlo.divide %59, %62 : tensor<6xf32>
    %64 = stablehlo.reshape %54 : (tensor<6xf32>) -> tensor<1x6xf32>
    %65 = stablehlo.reshape %58 : (tensor<6xf32>) -> tensor<1x6xf32>
    %66 = stablehlo.reshape %63 : (tensor<6xf32>) -> tensor<1x6xf32>
    %67 = stablehlo.concatenate %64, %65, %66, dim = 0 : (tensor<1x6xf32>, tensor<1x6xf32>, tensor<1x6xf32>) -> tensor<3x6xf32>
    %68 = stablehlo.constant dense<9.0e-01> : tensor<6xf32>
    %69 = stablehlo.multiply %6, %68 : tensor<6xf32>
    %70 = stablehlo.constant dense<1.0e-01> : tensor<6xf32>
    %71 = stablehlo.multiply %54, %70 : tensor<6xf32>
    %72 = stablehlo.add %69, %71 : tensor<6xf32>
    %73 = stablehlo.multiply %7, %68 : tensor<6xf32>
    %74 = stablehlo.constant dense<1.0909091e-01> : tensor<6xf32>
    %75 = stablehlo.multiply %56, %74 : tensor<6xf32>
    %76 = stablehlo.add %73, %75 : tensor<6xf32>
    %77 = stablehlo.slice %67 [0:1:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %78 = stablehlo.reshape %77 : (tensor<1x6xf32>) -> tensor<6xf32>
    %79 = stablehlo.slice %67 [1:2:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %80 = stablehlo.reshape %79 : (tensor<1x6xf32>) -> tensor<6xf32>
    %81 = stablehlo.broadcast_in_dim %78, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %82 = stablehlo.subtract %10, %81 : tensor<2x3x2x6xf32>
    %83 = stablehlo.broadcast_in_dim %80, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %84 = stablehlo.subtract %82, %83 : tensor<2x3x2x6xf32>
    %85 = stablehlo.slice %67 [2:3:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %86 = stablehlo.reshape %85 : (tensor<1x6xf32>) -> tensor<6xf32>
    %87 = stablehlo.broadcast_in_dim %86, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %88 = stablehlo.multiply %84, %87 : tensor<2x3x2x6xf32>
    %89 = stablehlo.broadcast_in_dim %12, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %90 = stablehlo.add %88, %89 : tensor<2x3x2x6xf32>
    %91 = stablehlo.reduce(%90 init: %29) applies stablehlo.add across dimensions = [1, 2] : (tensor<2x3x2x6xf32>, tensor<f32>) -> tensor<2x6xf32>
    %92 = stablehlo.constant dense<6.0e+00> : tensor<2x6xf32>
    %93 = stablehlo.divide %91, %92 : tensor<2x6xf32>
    %94 = stablehlo.constant dense<-1> : tensor<2xi32>
    %95 = stablehlo.compare NE, %1, %94, SIGNED : (tensor<2xi32>, tensor<2xi32>) -> tensor<2xi1>
    %96 = stablehlo.convert %95 : (tensor<2xi1>) -> tensor<2xi32>
    %97 = stablehlo.constant dense<0> : tensor<i32>
    %98 = stablehlo.reduce(%96 init: %97) applies stablehlo.add across dimensions = [0] : (tensor<2xi32>, tensor<i32>) -> tensor<i32>
    %99 = stablehlo.iota dim = 1 : tensor<2x6xi32>
    %100 = stablehlo.broadcast_in_dim %1, dims = [0] : (tensor<2xi32>) -> tensor<2x6xi32>
    %101 = stablehlo.compare EQ, %99, %100, SIGNED : (tensor<2x6xi32>, tensor<2x6xi32>) -> tensor<2x6xi1>
    %102 = stablehlo.constant dense<1.0e+00> : tensor<2x6xf32>
    %103 = stablehlo.constant dense<0.0e+00> : tensor<2x6xf32>
    %104 = stablehlo.select %101, %102, %103 : tensor<2x6xi1>, tensor<2x6xf32>
    %105 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %106 = stablehlo.reduce(%93 init: %105) applies stablehlo.maximum across dimensions = [1] : (tensor<2x6xf32>, tensor<f32>) -> tensor<2xf32>
    %107 = stablehlo.broadcast_in_dim %106, dims = [0] : (tensor<2xf32>) -> tensor<2x6xf32>
    %108 = stablehlo.subtract %93, %107 : tensor<2x6xf32>
    %109 = stablehlo.exponential %108 : tensor<2x6xf32>
    %110 = stablehlo.reduce(%109 init: %29) applies stablehlo.add across dimensions = [1] : (tensor<2x6xf32>, tensor<f32>) -> tensor<2xf32>
    %111 = stablehlo.log %110 : tensor<2xf32>
    %112 = stablehlo.multiply %104, %108 : tensor<2x6xf32>
    %113 = stablehlo.reduce(%112 init: %29) applies stablehlo.add across dimensions = [1] : (tensor<2x6xf32>, tensor<f32>) -> tensor<2xf32>
    %114 = stablehlo.subtract %111, %113 : tensor<2xf32>
    %115 = stablehlo.constant dense<0.0e+00> : tensor<2xf32>
    %116 = stablehlo.select %95, %114, %115 : tensor<2xi1>, tensor<2xf32>
    %117 = stablehlo.reduce(%116 init: %29) applies stablehlo.add across dimensions = [0] : (tensor<2xf32>, tensor<f32>) -> tensor<f32>
    %118 = stablehlo.constant dense<1> : tensor<i32>
    %119 = stablehlo.maximum %98, %118 : tensor<i32>
    %120 = stablehlo.convert %119 : (tensor<i32>) -> tensor<f32>
    %121 = stablehlo.divide %117, %120 : tensor<f32>
    %122 = stablehlo.reshape %121 : (tensor<f32>) -> tensor<1xf32>
    %123 = stablehlo.concatenate %122, %72, %76, dim = 0 : (tensor<1xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<13xf32>
    return %123 : tensor<13xf32>
  }
}
