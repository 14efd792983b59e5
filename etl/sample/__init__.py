"""The sample city: real division codes and names of Xiangyang, geometry made up."""
