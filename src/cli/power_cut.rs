//! `ottla power-cut`: what is left of a killed broker's directories when the power goes with it.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;

use crate::log::faults::environment;

#[derive(Debug, Args)]
pub struct PowerCut {
    /// The directory that the killed broker wrote to
    dir: PathBuf,
}

impl PowerCut {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let cut = environment::cut_power(&self.dir)?;
        println!("{} files and {} names were taken back", cut.files, cut.names);
        Ok(())
    }
}
