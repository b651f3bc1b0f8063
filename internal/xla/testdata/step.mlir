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
    %27 = stablehlo.constant dense<0.0e+00> : tensor<f32>
    %28 = stablehlo.constant dense<8.3333336e-02> : tensor<6xf32>
    %29:2 = "stablehlo.reduce"(%25, %26, %27, %27) <{dimensions = array<i64: 0, 1, 2>}> ({
    ^bb0(%a: tensor<f32>, %b: tensor<f32>, %c: tensor<f32>, %d: tensor<f32>):
      %e = stablehlo.add %a, %c : tensor<f32>
      %f = stablehlo.add %b, %d : tensor<f32>
      stablehlo.return %e, %f : tensor<f32>, tensor<f32>
    }) : (tensor<2x3x2x6xf32>, tensor<2x3x2x6xf32>, tensor<f32>, tensor<f32>) -> (tensor<6xf32>, tensor<6xf32>)
    %31 = stablehlo.multiply %29#0, %28 : tensor<6xf32>
    %32 = stablehlo.multiply %29#1, %28 : tensor<6xf32>
    %33 = stablehlo.multiply %31, %31 : tensor<6xf32>
    %34 = stablehlo.subtract %32, %33 : tensor<6xf32>
    %35 = stablehlo.add %23, %31 : tensor<6xf32>
    %36 = stablehlo.subtract %35, %23 : tensor<6xf32>
    %37 = stablehlo.subtract %35, %36 : tensor<6xf32>
    %38 = stablehlo.subtract %23, %37 : tensor<6xf32>
    %39 = stablehlo.subtract %31, %36 : tensor<6xf32>
    %40 = stablehlo.add %38, %39 : tensor<6xf32>
    %41 = stablehlo.maximum %34, %12 : tensor<6xf32>
    %42 = stablehlo.reshape %35 : (tensor<6xf32>) -> tensor<1x6xf32>
    %43 = stablehlo.reshape %41 : (tensor<6xf32>) -> tensor<1x6xf32>
    %44 = stablehlo.reshape %40 : (tensor<6xf32>) -> tensor<1x6xf32>
    %45 = stablehlo.concatenate %42, %43, %44, dim = 0 : (tensor<1x6xf32>, tensor<1x6xf32>, tensor<1x6xf32>) -> tensor<3x6xf32>
    %46 = stablehlo.slice %45 [0:1:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %47 = stablehlo.reshape %46 : (tensor<1x6xf32>) -> tensor<6xf32>
    %48 = stablehlo.slice %45 [2:3:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %49 = stablehlo.reshape %48 : (tensor<1x6xf32>) -> tensor<6xf32>
    %50 = stablehlo.add %47, %49 : tensor<6xf32>
    %51 = stablehlo.slice %45 [1:2:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %52 = stablehlo.reshape %51 : (tensor<1x6xf32>) -> tensor<6xf32>
    %53 = stablehlo.subtract %50, %47 : tensor<6xf32>
    %54 = stablehlo.subtract %49, %53 : tensor<6xf32>
    %55 = stablehlo.constant dense<1.0e+00> : tensor<6xf32>
    %56 = stablehlo.constant dense<1.0e-05> : tensor<6xf32>
    %57 = stablehlo.add %52, %56 : tensor<6xf32>
    %58 = stablehlo.sqrt %57 : tensor<6xf32>
    %59 = stablehlo.divide %55, %58 : tensor<6xf32>
    %60 = stablehlo.reshape %50 : (tensor<6xf32>) -> tensor<1x6xf32>
    %61 = stablehlo.reshape %54 : (tensor<6xf32>) -> tensor<1x6xf32>
    %62 = stablehlo.reshape %59 : (tensor<6xf32>) -> tensor<1x6xf32>
    %63 = stablehlo.concatenate %60, %61, %62, dim = 0 : (tensor<1x6xf32>, tensor<1x6xf32>, tensor<1x6xf32>) -> tensor<3x6xf32>
    %64 = stablehlo.constant dense<9.0e-01> : tensor<6xf32>
    %65 = stablehlo.multiply %6, %64 : tensor<6xf32>
    %66 = stablehlo.constant dense<1.0e-01> : tensor<6xf32>
    %67 = stablehlo.multiply %50, %66 : tensor<6xf32>
    %68 = stablehlo.add %65, %67 : tensor<6xf32>
    %69 = stablehlo.multiply %7, %64 : tensor<6xf32>
    %70 = stablehlo.constant dense<1.0909091e-01> : tensor<6xf32>
    %71 = stablehlo.multiply %52, %70 : tensor<6xf32>
    %72 = stablehlo.add %69, %71 : tensor<6xf32>
    %73 = stablehlo.slice %63 [0:1:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %74 = stablehlo.reshape %73 : (tensor<1x6xf32>) -> tensor<6xf32>
    %75 = stablehlo.slice %63 [1:2:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %76 = stablehlo.reshape %75 : (tensor<1x6xf32>) -> tensor<6xf32>
    %77 = stablehlo.broadcast_in_dim %74, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %78 = stablehlo.subtract %10, %77 : tensor<2x3x2x6xf32>
    %79 = stablehlo.broadcast_in_dim %76, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %80 = stablehlo.subtract %78, %79 : tensor<2x3x2x6xf32>
    %81 = stablehlo.slice %63 [2:3:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %82 = stablehlo.reshape %81 : (tensor<1x6xf32>) -> tensor<6xf32>
    %83 = stablehlo.broadcast_in_dim %82, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %84 = stablehlo.multiply %80, %83 : tensor<2x3x2x6xf32>
    %85 = stablehlo.broadcast_in_dim %12, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %86 = stablehlo.add %84, %85 : tensor<2x3x2x6xf32>
    %87 = stablehlo.reduce(%86 init: %27) applies stablehlo.add across dimensions = [1, 2] : (tensor<2x3x2x6xf32>, tensor<f32>) -> tensor<2x6xf32>
    %88 = stablehlo.constant dense<6.0e+00> : tensor<2x6xf32>
    %89 = stablehlo.divide %87, %88 : tensor<2x6xf32>
    %90 = stablehlo.constant dense<-1> : tensor<2xi32>
    %91 = stablehlo.compare NE, %1, %90, SIGNED : (tensor<2xi32>, tensor<2xi32>) -> tensor<2xi1>
    %92 = stablehlo.convert %91 : (tensor<2xi1>) -> tensor<2xi32>
    %93 = stablehlo.constant dense<0> : tensor<i32>
    %94 = stablehlo.reduce(%92 init: %93) applies stablehlo.add across dimensions = [0] : (tensor<2xi32>, tensor<i32>) -> tensor<i32>
    %95 = stablehlo.iota dim = 1 : tensor<2x6xi32>
    %96 = stablehlo.broadcast_in_dim %1, dims = [0] : (tensor<2xi32>) -> tensor<2x6xi32>
    %97 = stablehlo.compare EQ, %95, %96, SIGNED : (tensor<2x6xi32>, tensor<2x6xi32>) -> tensor<2x6xi1>
    %98 = stablehlo.constant dense<1.0e+00> : tensor<2x6xf32>
    %99 = stablehlo.constant dense<0.0e+00> : tensor<2x6xf32>
    %100 = stablehlo.select %97, %98, %99 : tensor<2x6xi1>, tensor<2x6xf32>
    %101 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %102 = stablehlo.reduce(%89 init: %101) applies stablehlo.maximum across dimensions = [1] : (tensor<2x6xf32>, tensor<f32>) -> tensor<2xf32>
    %103 = stablehlo.broadcast_in_dim %102, dims = [0] : (tensor<2xf32>) -> tensor<2x6xf32>
    %104 = stablehlo.subtract %89, %103 : tensor<2x6xf32>
    %105 = stablehlo.exponential %104 : tensor<2x6xf32>
    %106 = stablehlo.reduce(%105 init: %27) applies stablehlo.add across dimensions = [1] : (tensor<2x6xf32>, tensor<f32>) -> tensor<2xf32>
    %107 = stablehlo.log %106 : tensor<2xf32>
    %108 = stablehlo.multiply %100, %104 : tensor<2x6xf32>
    %109 = stablehlo.reduce(%108 init: %27) applies stablehlo.add across dimensions = [1] : (tensor<2x6xf32>, tensor<f32>) -> tensor<2xf32>
    %110 = stablehlo.subtract %107, %109 : tensor<2xf32>
    %111 = stablehlo.constant dense<0.0e+00> : tensor<2xf32>
    %112 = stablehlo.select %91, %110, %111 : tensor<2xi1>, tensor<2xf32>
    %113 = stablehlo.reduce(%112 init: %27) applies stablehlo.add across dimensions = [0] : (tensor<2xf32>, tensor<f32>) -> tensor<f32>
    %114 = stablehlo.constant dense<1> : tensor<i32>
    %115 = stablehlo.maximum %94, %114 : tensor<i32>
    %116 = stablehlo.convert %115 : (tensor<i32>) -> tensor<f32>
    %117 = stablehlo.divide %113, %116 : tensor<f32>
    %118 = stablehlo.reshape %117 : (tensor<f32>) -> tensor<1xf32>
    %119 = stablehlo.concatenate %118, %68, %72, dim = 0 : (tensor<1xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<13xf32>
    return %119 : tensor<13xf32>
  }
}
