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
    %13 = stablehlo.slice %11 [1:2:1, 0:6:1] : (tensor<12x6xf32>) -> tensor<1x6xf32>
    %14 = stablehlo.reshape %13 : (tensor<1x6xf32>) -> tensor<6xf32>
    %15 = stablehlo.add %12, %14 : tensor<6xf32>
    %16 = stablehlo.slice %11 [4:5:1, 0:6:1] : (tensor<12x6xf32>) -> tensor<1x6xf32>
    %17 = stablehlo.reshape %16 : (tensor<1x6xf32>) -> tensor<6xf32>
    %18 = stablehlo.add %15, %17 : tensor<6xf32>
    %19 = stablehlo.slice %11 [7:8:1, 0:6:1] : (tensor<12x6xf32>) -> tensor<1x6xf32>
    %20 = stablehlo.reshape %19 : (tensor<1x6xf32>) -> tensor<6xf32>
    %21 = stablehlo.add %18, %20 : tensor<6xf32>
    %22 = stablehlo.slice %11 [10:11:1, 0:6:1] : (tensor<12x6xf32>) -> tensor<1x6xf32>
    %23 = stablehlo.reshape %22 : (tensor<1x6xf32>) -> tensor<6xf32>
    %24 = stablehlo.add %21, %23 : tensor<6xf32>
    %25 = stablehlo.constant dense<2.5e-01> : tensor<6xf32>
    %26 = stablehlo.multiply %24, %25 : tensor<6xf32>
    %27 = stablehlo.broadcast_in_dim %26, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %28 = stablehlo.subtract %10, %27 : tensor<2x3x2x6xf32>
    %29 = stablehlo.multiply %28, %28 : tensor<2x3x2x6xf32>
    %30 = stablehlo.reshape %28 : (tensor<2x3x2x6xf32>) -> tensor<3x4x6xf32>
    %31 = stablehlo.reshape %29 : (tensor<2x3x2x6xf32>) -> tensor<3x4x6xf32>
    %32 = stablehlo.constant dense<0.0e+00> : tensor<f32>
    %33 = stablehlo.constant dense<8.3333336e-02> : tensor<6xf32>
    %34:2 = "stablehlo.reduce"(%30, %31, %32, %32) <{dimensions = array<i64: 1>}> ({
    ^bb0(%a: tensor<f32>, %b: tensor<f32>, %c: tensor<f32>, %d: tensor<f32>):
      %e = stablehlo.add %a, %c : tensor<f32>
      %f = stablehlo.add %b, %d : tensor<f32>
      stablehlo.return %e, %f : tensor<f32>, tensor<f32>
    }) : (tensor<3x4x6xf32>, tensor<3x4x6xf32>, tensor<f32>, tensor<f32>) -> (tensor<3x6xf32>, tensor<3x6xf32>)
    %36 = stablehlo.slice %34#0 [0:1:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %37 = stablehlo.reshape %36 : (tensor<1x6xf32>) -> tensor<6xf32>
    %38 = stablehlo.slice %34#1 [0:1:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %39 = stablehlo.reshape %38 : (tensor<1x6xf32>) -> tensor<6xf32>
    %40 = stablehlo.broadcast_in_dim %37, dims = [1] : (tensor<6xf32>) -> tensor<3x6xf32>
    %41 = stablehlo.subtract %34#0, %40 : tensor<3x6xf32>
    %42 = stablehlo.broadcast_in_dim %39, dims = [1] : (tensor<6xf32>) -> tensor<3x6xf32>
    %43 = stablehlo.subtract %34#1, %42 : tensor<3x6xf32>
    %44:2 = "stablehlo.reduce"(%41, %43, %32, %32) <{dimensions = array<i64: 0>}> ({
    ^bb0(%a: tensor<f32>, %b: tensor<f32>, %c: tensor<f32>, %d: tensor<f32>):
      %e = stablehlo.add %a, %c : tensor<f32>
      %f = stablehlo.add %b, %d : tensor<f32>
      stablehlo.return %e, %f : tensor<f32>, tensor<f32>
    }) : (tensor<3x6xf32>, tensor<3x6xf32>, tensor<f32>, tensor<f32>) -> (tensor<6xf32>, tensor<6xf32>)
    %46 = stablehlo.multiply %44#0, %33 : tensor<6xf32>
    %47 = stablehlo.multiply %44#1, %33 : tensor<6xf32>
    %48 = stablehlo.multiply %37, %25 : tensor<6xf32>
    %49 = stablehlo.multiply %39, %25 : tensor<6xf32>
    %50 = stablehlo.add %48, %46 : tensor<6xf32>
    %51 = stablehlo.add %49, %47 : tensor<6xf32>
    %52 = stablehlo.multiply %50, %50 : tensor<6xf32>
    %53 = stablehlo.subtract %51, %52 : tensor<6xf32>
    %54 = stablehlo.add %26, %48 : tensor<6xf32>
    %55 = stablehlo.subtract %54, %26 : tensor<6xf32>
    %56 = stablehlo.subtract %54, %55 : tensor<6xf32>
    %57 = stablehlo.subtract %26, %56 : tensor<6xf32>
    %58 = stablehlo.subtract %48, %55 : tensor<6xf32>
    %59 = stablehlo.add %57, %58 : tensor<6xf32>
    %60 = stablehlo.add %54, %46 : tensor<6xf32>
    %61 = stablehlo.subtract %60, %54 : tensor<6xf32>
    %62 = stablehlo.subtract %60, %61 : tensor<6xf32>
    %63 = stablehlo.subtract %54, %62 : tensor<6xf32>
    %64 = stablehlo.subtract %46, %61 : tensor<6xf32>
    %65 = stablehlo.add %63, %64 : tensor<6xf32>
    %66 = stablehlo.maximum %53, %12 : tensor<6xf32>
    %67 = stablehlo.add %59, %65 : tensor<6xf32>
    %68 = stablehlo.reshape %60 : (tensor<6xf32>) -> tensor<1x6xf32>
    %69 = stablehlo.reshape %66 : (tensor<6xf32>) -> tensor<1x6xf32>
    %70 = stablehlo.reshape %67 : (tensor<6xf32>) -> tensor<1x6xf32>
    %71 = stablehlo.concatenate %68, %69, %70, dim = 0 : (tensor<1x6xf32>, tensor<1x6xf32>, tensor<1x6xf32>) -> tensor<3x6xf32>
    %72 = stablehlo.slice %71 [0:1:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %73 = stablehlo.reshape %72 : (tensor<1x6xf32>) -> tensor<6xf32>
    %74 = stablehlo.slice %71 [2:3:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %75 = stablehlo.reshape %74 : (tensor<1x6xf32>) -> tensor<6xf32>
    %76 = stablehlo.add %73, %75 : tensor<6xf32>
    %77 = stablehlo.slice %71 [1:2:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %78 = stablehlo.reshape %77 : (tensor<1x6xf32>) -> tensor<6xf32>
    %79 = stablehlo.subtract %76, %73 : tensor<6xf32>
    %80 = stablehlo.subtract %75, %79 : tensor<6xf32>
    %81 = stablehlo.constant dense<1.0e+00> : tensor<6xf32>
    %82 = stablehlo.constant dense<1.0e-05> : tensor<6xf32>
    %83 = stablehlo.add %78, %82 : tensor<6xf32>
    %84 = stablehlo.sqrt %83 : tensor<6xf32>
    %85 = stablehlo.divide %81, %84 : tensor<6xf32>
    %86 = stablehlo.reshape %76 : (tensor<6xf32>) -> tensor<1x6xf32>
    %87 = stablehlo.reshape %80 : (tensor<6xf32>) -> tensor<1x6xf32>
    %88 = stablehlo.reshape %85 : (tensor<6xf32>) -> tensor<1x6xf32>
    %89 = stablehlo.concatenate %86, %87, %88, dim = 0 : (tensor<1x6xf32>, tensor<1x6xf32>, tensor<1x6xf32>) -> tensor<3x6xf32>
    %90 = stablehlo.constant dense<9.0e-01> : tensor<6xf32>
    %91 = stablehlo.multiply %6, %90 : tensor<6xf32>
    %92 = stablehlo.constant dense<1.0e-01> : tensor<6xf32>
    %93 = stablehlo.multiply %76, %92 : tensor<6xf32>
    %94 = stablehlo.add %91, %93 : tensor<6xf32>
    %95 = stablehlo.multiply %7, %90 : tensor<6xf32>
    %96 = stablehlo.constant dense<1.0909091e-01> : tensor<6xf32>
    %97 = stablehlo.multiply %78, %96 : tensor<6xf32>
    %98 = stablehlo.add %95, %97 : tensor<6xf32>
    %99 = stablehlo.slice %89 [0:1:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %100 = stablehlo.reshape %99 : (tensor<1x6xf32>) -> tensor<6xf32>
    %101 = stablehlo.slice %89 [1:2:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %102 = stablehlo.reshape %101 : (tensor<1x6xf32>) -> tensor<6xf32>
    %103 = stablehlo.broadcast_in_dim %100, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %104 = stablehlo.subtract %10, %103 : tensor<2x3x2x6xf32>
    %105 = stablehlo.broadcast_in_dim %102, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %106 = stablehlo.subtract %104, %105 : tensor<2x3x2x6xf32>
    %107 = stablehlo.slice %89 [2:3:1, 0:6:1] : (tensor<3x6xf32>) -> tensor<1x6xf32>
    %108 = stablehlo.reshape %107 : (tensor<1x6xf32>) -> tensor<6xf32>
    %109 = stablehlo.broadcast_in_dim %108, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %110 = stablehlo.multiply %106, %109 : tensor<2x3x2x6xf32>
    %111 = stablehlo.broadcast_in_dim %12, dims = [3] : (tensor<6xf32>) -> tensor<2x3x2x6xf32>
    %112 = stablehlo.add %110, %111 : tensor<2x3x2x6xf32>
    %113 = stablehlo.reduce(%112 init: %32) applies stablehlo.add across dimensions = [1, 2] : (tensor<2x3x2x6xf32>, tensor<f32>) -> tensor<2x6xf32>
    %114 = stablehlo.constant dense<6.0e+00> : tensor<2x6xf32>
    %115 = stablehlo.divide %113, %114 : tensor<2x6xf32>
    %116 = stablehlo.constant dense<-1> : tensor<2xi32>
    %117 = stablehlo.compare NE, %1, %116, SIGNED : (tensor<2xi32>, tensor<2xi32>) -> tensor<2xi1>
    %118 = stablehlo.convert %117 : (tensor<2xi1>) -> tensor<2xi32>
    %119 = stablehlo.constant dense<0> : tensor<i32>
    %120 = stablehlo.reduce(%118 init: %119) applies stablehlo.add across dimensions = [0] : (tensor<2xi32>, tensor<i32>) -> tensor<i32>
    %121 = stablehlo.iota dim = 1 : tensor<2x6xi32>
    %122 = stablehlo.broadcast_in_dim %1, dims = [0] : (tensor<2xi32>) -> tensor<2x6xi32>
    %123 = stablehlo.compare EQ, %121, %122, SIGNED : (tensor<2x6xi32>, tensor<2x6xi32>) -> tensor<2x6xi1>
    %124 = stablehlo.constant dense<1.0e+00> : tensor<2x6xf32>
    %125 = stablehlo.constant dense<0.0e+00> : tensor<2x6xf32>
    %126 = stablehlo.select %123, %124, %125 : tensor<2x6xi1>, tensor<2x6xf32>
    %127 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %128 = stablehlo.reduce(%115 init: %127) applies stablehlo.maximum across dimensions = [1] : (tensor<2x6xf32>, tensor<f32>) -> tensor<2xf32>
    %129 = stablehlo.broadcast_in_dim %128, dims = [0] : (tensor<2xf32>) -> tensor<2x6xf32>
    %130 = stablehlo.subtract %115, %129 : tensor<2x6xf32>
    %131 = stablehlo.exponential %130 : tensor<2x6xf32>
    %132 = stablehlo.reduce(%131 init: %32) applies stablehlo.add across dimensions = [1] : (tensor<2x6xf32>, tensor<f32>) -> tensor<2xf32>
    %133 = stablehlo.log %132 : tensor<2xf32>
    %134 = stablehlo.multiply %126, %130 : tensor<2x6xf32>
    %135 = stablehlo.reduce(%134 init: %32) applies stablehlo.add across dimensions = [1] : (tensor<2x6xf32>, tensor<f32>) -> tensor<2xf32>
    %136 = stablehlo.subtract %133, %135 : tensor<2xf32>
    %137 = stablehlo.constant dense<0.0e+00> : tensor<2xf32>
    %138 = stablehlo.select %117, %136, %137 : tensor<2xi1>, tensor<2xf32>
    %139 = stablehlo.reduce(%138 init: %32) applies stablehlo.add across dimensions = [0] : (tensor<2xf32>, tensor<f32>) -> tensor<f32>
    %140 = stablehlo.constant dense<1> : tensor<i32>
    %141 = stablehlo.maximum %120, %140 : tensor<i32>
    %142 = stablehlo.convert %141 : (tensor<i32>) -> tensor<f32>
    %143 = stablehlo.divide %139, %142 : tensor<f32>
    %144 = stablehlo.reshape %143 : (tensor<f32>) -> tensor<1xf32>
    %145 = stablehlo.concatenate %144, %94, %98, dim = 0 : (tensor<1xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<13xf32>
    return %145 : tensor<13xf32>
  }
}
