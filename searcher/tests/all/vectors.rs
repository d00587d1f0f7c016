//! Vectors that tests write into tables themselves.

use std::path::Path;

use table::schema::Space;

/// Length of the vectors of the demo model.
pub(crate) const DIM: usize = 128;

/// Numbers that look random and are the same at every run.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32 / (1_u64 << 24) as f32) * 2.0 - 1.0
    }

    /// A random direction.
    pub(crate) fn direction(&mut self) -> Vec<f32> {
        unit((0..DIM).map(|_| self.next()).collect())
    }

    /// A direction near another one.
    pub(crate) fn near(&mut self, to: &[f32], spread: f32) -> Vec<f32> {
        unit(to.iter().map(|x| x + self.next() * spread).collect())
    }
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.into_iter().map(|x| x / length).collect()
}

/// The space of the demo model.
pub(crate) fn demo_space() -> Space {
    let model = inference::Model::find("demo-clip", Path::new("models")).unwrap();
    let (space, manifest_hash) = (model.manifest.space.clone(), model.digest.clone());
    Space { model: model.manifest.id, space, manifest_hash, dim: DIM }
}
